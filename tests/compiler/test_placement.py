"""The table of operators: front ends and documentation have the same ones."""

import re

from tercet.compiler.placement import PLACEMENT, markdown, place
from tercet.compiler.tflite import load_tflite
from tercet.compiler.tflite.nodes import CONVERSIONS

from ..source_folders import ROOT
from .random_networks import random_file


def test_every_conversion_has_a_placement():
    assert {*CONVERSIONS} == {*PLACEMENT}


def test_operators_of_graphs_have_one():
    found = {place(operator).where for seed in range(40) for operator in load_tflite(random_file(seed).data).operators}
    assert found == {"npu", "host"}
    for seed in range(40):
        for operator in load_tflite(random_file(seed).data).operators:
            assert "not an operator" not in place(operator).how, operator.op


def test_the_page_has_the_table():
    page = (ROOT / "docs" / "models.md").read_text()
    found = re.search(r"<!-- operators -->\n(.*)\n<!-- /operators -->", page, re.S)
    assert found is not None
    assert found[1].strip() == markdown()
