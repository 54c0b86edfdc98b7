"""A table of a report as CSV and as LaTeX. In CSV, a mean with its interval takes four columns."""

import csv
import io
import re

from dnnx.reports.page import Table

NUMBER = r"[+-]?[\d,]*\.?\d+(?:e[+-]?\d+)?"
ESTIMATE = re.compile(rf"({NUMBER})(?: \S+)? \((?:({NUMBER}) to ({NUMBER}), )?n = (\d+)\)")
EQUAL = re.compile(rf"({NUMBER})(?: \S+)?(?: in all (\d+) seeds| \(not random\))")
ENDS = ("", " low", " high", " n")
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"}


def as_csv(table: Table) -> str:
    """Return the table as CSV. A column of means with intervals becomes four: mean, low, high and n.

    >>> as_csv(Table("", ["arm", "accuracy"], [["bn", "98.0 % (97.5 to 98.5, n = 5)"]]))
    'arm,accuracy,accuracy low,accuracy high,accuracy n\\nbn,98.0,97.5,98.5,5\\n'
    """
    columns: list[list[str]] = []
    for name, *cells in zip(table.head, *(row for row in table.rows), strict=False):
        found = [_parts(cell.replace("\u00a0", " ")) for cell in cells]
        if not any(len(parts) > 1 for parts in found):
            columns.append([name, *cells])
            continue
        for place, end in enumerate(ENDS):
            values = [parts[place].replace(",", "") if len(parts) > 1 else "" for parts in found]
            columns.append([f"{name}{end}", *values])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(zip(*columns, strict=True))
    return out.getvalue()


def _parts(cell: str) -> list[str]:
    """Return mean, low, high and n of a cell, or its text alone. Equal seeds have no other ends than their value."""
    if hit := ESTIMATE.fullmatch(cell):
        return [part or "" for part in hit.groups()]
    hit = EQUAL.fullmatch(cell)
    return [hit[1], hit[1], hit[1], hit[2] or ""] if hit else [cell]


def as_latex(table: Table) -> str:
    """Return the table as a LaTeX tabular with its caption, for a paper with the package booktabs."""
    lines = [" & ".join(map(_latex, line)) + r" \\" for line in (table.head, *table.rows)]
    lines.insert(1, r"\midrule")
    head = [r"\begin{table}", rf"\caption{{{_latex(table.caption)}}}", rf"\begin{{tabular}}{{{'l' * len(table.head)}}}"]
    return "\n".join([*head, r"\toprule", *lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _latex(text: str) -> str:
    return "".join(LATEX.get(sign, sign) for sign in text.replace("\u00a0", "~")).replace(r"\textasciitilde{}", "~")
