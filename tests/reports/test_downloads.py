"""A table as CSV has the numbers of its cells, whatever form a cell has."""

import csv
import io

from dnnx.reports.downloads import as_csv
from dnnx.reports.page import Table


def test_equal_seeds_and_values_that_are_not_random_are_numbers_too() -> None:
    cells = ["90.2 % (87.8 to 92.6, n = 5)", "4 in all 5 seeds", "83.33 % (not random)", "not measured"]
    table = Table("", ["arm", "score"], [[str(i), cell] for i, cell in enumerate(cells)])
    rows = list(csv.reader(io.StringIO(as_csv(table))))
    assert rows[0] == ["arm", "score", "score low", "score high", "score n"]
    assert [row[1:] for row in rows[1:]] == [
        ["90.2", "87.8", "92.6", "5"], ["4", "4", "4", "5"], ["83.33", "83.33", "83.33", ""], ["", "", "", ""],
    ]  # fmt: skip
