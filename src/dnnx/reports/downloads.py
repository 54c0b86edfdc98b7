"""A table of a report as CSV and as LaTeX. In CSV, a mean with its interval takes four columns."""

import csv
import io
import re

from dnnx.reports.page import Table

NUMBER = r"[+-]?[\d,]*\.?\d+(?:e[+-]?\d+)?"
ESTIMATE = re.compile(rf"({NUMBER})(?: \S+)? \((?:({NUMBER}) to ({NUMBER}), )?n = (\d+)\)")
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
        found = [ESTIMATE.fullmatch(cell.replace("\u00a0", " ")) for cell in cells]
        if not any(found):
            columns.append([name, *cells])
            continue
        for place, end in enumerate(ENDS):
            values = [(hit[place + 1] or "").replace(",", "") if hit else "" for hit in found]
            columns.append([f"{name}{end}", *values])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(zip(*columns, strict=True))
    return out.getvalue()


def as_latex(table: Table) -> str:
    """Return the table as a LaTeX tabular with its caption, for a paper with the package booktabs."""
    lines = [" & ".join(map(_latex, line)) + r" \\" for line in (table.head, *table.rows)]
    lines.insert(1, r"\midrule")
    head = [r"\begin{table}", rf"\caption{{{_latex(table.caption)}}}", rf"\begin{{tabular}}{{{'l' * len(table.head)}}}"]
    return "\n".join([*head, r"\toprule", *lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _latex(text: str) -> str:
    return "".join(LATEX.get(sign, sign) for sign in text.replace("\u00a0", "~")).replace(r"\textasciitilde{}", "~")
