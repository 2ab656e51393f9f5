"""tools/check_includes on small trees made for the purpose, and on this one."""
import importlib.machinery
import importlib.util
import pathlib
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load_tool():
    loader = importlib.machinery.SourceFileLoader("check_includes", str(ROOT / "tools" / "check_includes"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


tool = load_tool()


class CheckIncludes(unittest.TestCase):
    def problems(self, **files):
        """Complaints about a tree that holds `files`, path -> text, with "__" for "/" and the last "_" for "."."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder).resolve()
            for name, text in files.items():
                stem, _, suffix = name.replace("__", "/").rpartition("_")
                path = root / f"{stem}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return tool.check(root)[0]

    def test_downward_edge_passes(self):
        self.assertEqual([], self.problems(src__core__a_h="", src__ops__b_cc='#include <vector>\n#include "core/a.h"\n'))

    def test_back_edge_is_named_with_file_and_line(self):
        problems = self.problems(src__core__a_cc='\n#include "ops/b.h"\n', src__ops__b_h="")
        self.assertEqual(1, len(problems))
        self.assertIn("src/core/a.cc:2: src/core must not include src/ops", problems[0])

    def test_edge_past_the_next_room_fails(self):
        self.assertIn("src/nn must not include src/backend", self.problems(src__nn__a_h='#include "backend/b.h"', src__backend__b_h="")[0])

    def test_inner_room_is_not_the_outer_one(self):
        problems = self.problems(src__ops__a_cc='#include "backend/cpu/b.h"', src__backend__cpu__b_h="")
        self.assertIn("src/ops must not include src/backend/cpu", problems[0])

    def test_only_the_registry_names_backends(self):
        self.assertEqual([], self.problems(src__backend__registry_cc='#include "backend/cpu/b.h"', src__backend__cpu__b_h=""))
        self.assertEqual(1, len(self.problems(src__backend__other_cc='#include "backend/cpu/b.h"', src__backend__cpu__b_h="")))

    def test_public_header_includes_only_std_and_siblings(self):
        self.assertEqual([], self.problems(include__impasto__a_h='#include <vector>\n#include "impasto/b.h"', include__impasto__b_h=""))
        self.assertIn("standard library", self.problems(include__impasto__a_h="#include <nlohmann/json.hpp>")[0])
        self.assertIn("must not include src/core", self.problems(include__impasto__a_h='#include "core/b.h"', src__core__b_h="")[0])

    def test_front_end_sees_the_public_headers_and_itself(self):
        self.assertEqual([], self.problems(cli__a_cc='#include "b.h"\n#include "impasto/c.h"\n#include <CLI/CLI.hpp>', cli__b_h="", include__impasto__c_h=""))
        self.assertIn("cli must not include src/core", self.problems(cli__a_cc='#include "core/b.h"', src__core__b_h="")[0])

    def test_tests_include_anything(self):
        self.assertEqual([], self.problems(tests__a_cc='#include "core/b.h"\n#include "pipelines/c.h"', src__core__b_h="", src__pipelines__c_h=""))

    def test_unknown_path_and_unknown_room_fail(self):
        self.assertIn("is not in this tree", self.problems(src__core__a_cc='#include "nowhere.h"')[0])
        self.assertIn("lies in no room", self.problems(src__attic__a_cc="")[0])

    def test_path_relative_to_the_file_fails_inside_the_library(self):
        self.assertIn("is not in this tree", self.problems(src__core__a_cc='#include "b.h"', src__core__b_h="")[0])

    def test_this_tree_passes(self):
        self.assertEqual([], tool.check(ROOT)[0])


if __name__ == "__main__":
    unittest.main()
