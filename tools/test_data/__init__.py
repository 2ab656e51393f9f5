"""The parts of make_test_data.py: one file per kind of test data."""
