"""Every notebook runs from top to bottom, and pictures come out."""

import json
import pathlib

import pytest

nbclient = pytest.importorskip("nbclient")
import nbformat  # noqa: E402  (comes with nbclient)

pytestmark = pytest.mark.notebooks
FOLDER = pathlib.Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def pictures(notebook):
    """How many PNG pictures its outputs hold, shown by themselves or within HTML."""
    count = 0
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            html = "".join(data.get("text/html", ""))
            count += 1 if "image/png" in data else html.count("data:image/png")
    return count


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_runs_from_top_to_bottom(path):
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}).execute()
    lines = [o.get("text", "") for c in notebook.cells for o in c.get("outputs", [])]
    assert pictures(notebook) > 0 or any("Install torch" in line for line in lines)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_keeps_real_pictures_and_no_errors(path):
    notebook = json.loads(path.read_text())
    assert pictures(notebook) > 0
    assert not any(o["output_type"] == "error" for c in notebook["cells"] for o in c.get("outputs", []))
    assert path.stat().st_size < 2 << 20
