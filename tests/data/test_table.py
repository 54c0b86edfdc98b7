"""Tables: classes and numbers, gaps and text by their rules, errors that name the place."""

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import compose

from dnnx.basics.errors import UserError
from dnnx.data.read_csv import read_csv
from dnnx.data.readers.columns import Columns
from dnnx.data.table import Table
from dnnx.train import train

HOUSING = Path(os.environ.get("DNNX_DATA_DIR", "absent"), "tabular", "california_housing_sklearn8.csv.gz")


def rows(n: int = 60) -> list[str]:
    return [f"{i % 7},{(i * i) % 11},{'big' if i % 3 else 'small'},{1 + i % 2}" for i in range(n)]


def table(folder: Path, lines: list[str] | None = None, header: str = "a,b,size,w", **settings: Any) -> Table:
    (folder / "x.csv").write_text("\n".join([header, *(rows() if lines is None else lines)]) + "\n")
    data = Table(seeds=[0], **({"file": str(folder / "x.csv"), "target": "size"} | settings))
    data.setup()
    return data


def test_text_is_classes_in_the_order_of_their_names(tmp_path: Path) -> None:
    data = table(tmp_path)
    assert (data.class_names, data.num_classes, data.in_shape) == (["big", "small"], 2, (3,))
    assert data.splits["train"][1].bincount().tolist() == [28, 14]
    assert len(data.provenance["files"]["x.csv"]) == 64


def test_numbers_are_numbers_unless_they_are_few_or_named_classes(tmp_path: Path) -> None:
    by_kind = {kind: table(tmp_path, target="a", drop=["size"], kind=kind) for kind in ("auto", "numbers")}
    assert by_kind["auto"].class_names == [str(i) for i in range(7)]
    assert by_kind["numbers"].num_classes is None
    many = table(tmp_path, [f"{i}.5,1,2" for i in range(60)], "y,b,c", target="y")
    assert (many.num_classes, many.target_shape) == (None, ())


def test_training_rows_alone_set_scale_and_means(tmp_path: Path) -> None:
    lines = rows()
    lines[3] = ",1,big,1"
    data = table(tmp_path, lines, missing="mean")
    x = data.splits["train"][0]
    torch.testing.assert_close(x.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    assert not torch.allclose(data.splits["test"][0].mean(0), torch.zeros(3), atol=1e-3)
    assert all(x.isfinite().all() for x, _ in data.splits.values())


@pytest.mark.parametrize(("separator", "comma"), [(";", "."), (";", ","), ("\t", ","), (",", ".")])
def test_semicolons_and_tabs_separate_columns_too_then_with_decimal_commas(
    tmp_path: Path, separator: str, comma: str
) -> None:
    lines = [f"{i % 7}.25,{i},{'big' if i % 3 else 'small'},{1 + i % 2}" for i in range(60)]
    asked = [table(tmp_path, lines).splits[part][0] for part in ("train", "test")]
    others = [line.replace(",", separator).replace(".", comma) for line in lines]
    found = table(tmp_path, others, separator.join(["a", "b", "size", "w"])).splits
    assert all(torch.equal(found[part][0], x) for part, x in zip(("train", "test"), asked, strict=True))


def test_a_comma_in_the_header_wins(tmp_path: Path) -> None:
    data = table(tmp_path, header='"a;b;c;d;e",b,size,w')
    assert data.in_shape == (3,)


def test_a_missing_column_is_told_with_all_that_fit_on_some_lines(tmp_path: Path) -> None:
    names = [f"column{i}" for i in range(30)]
    with pytest.raises(UserError, match=r"did you mean column29\?; it has column0, .*, column13, .*column29$"):
        table(tmp_path, [",".join(["1"] * 30)], ",".join(names), target="COLUMN29")
    names = [f"column{i}" for i in range(300)]
    with pytest.raises(UserError, match=r"column11, \.\.\., column299$"):
        table(tmp_path, [",".join(["1"] * 300)], ",".join(names), target="y")


def test_rows_with_gaps_can_be_dropped(tmp_path: Path) -> None:
    lines = rows()
    lines[3], lines[4] = ",1,big,1", "1,1,,1"
    data = table(tmp_path, lines, missing="drop")
    assert sum(data.sizes.values()) == 58


def test_a_column_of_text_becomes_columns_of_its_values(tmp_path: Path) -> None:
    data = table(tmp_path, target="w", text="one_hot", standardize=False)
    assert data.in_shape == (4,)
    assert {tuple(row) for row in data.splits["train"][0][:, 2:].tolist()} == {(1.0, 0.0), (0.0, 1.0)}


def test_a_column_of_numbers_and_text_is_text_in_every_row_of_a_long_file(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n" + "1,2\n" * 263_000 + "1,many\n")
    assert {*read_csv(tmp_path / "x.csv")["b"]} == {"2", "many"}


def test_weights_of_a_column_are_no_feature_and_stay_with_their_rows(tmp_path: Path) -> None:
    lines = [f"{i % 5},{i % 3},{'big' if i % 5 else 'small'},{i % 5}" for i in range(60)]
    data = table(tmp_path, lines, weight="w", standardize=False)
    assert data.in_shape == (2,)
    assert data.weights is not None
    assert torch.equal(data.weights, data.splits["train"][0][:, 0])


def test_a_compressed_table_is_the_same(tmp_path: Path) -> None:
    plain = table(tmp_path)
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress((tmp_path / "x.csv").read_bytes()))
    packed = Table(seeds=[0], file=str(tmp_path / "x.csv.gz"), target="size")
    packed.setup()
    assert torch.equal(packed.splits["train"][0], plain.splits["train"][0])


@pytest.mark.parametrize(
    ("lines", "settings", "says"),
    [
        (
            [*rows(), "1,x2,big,1"],
            {},
            r"x\.csv: line 62, column b: 'x2' is no number; correct it, or type data\.drop=\[b\]",
        ),
        ([*rows(), "1,2,big"], {}, r"x\.csv: line 62 has 3 columns, the header 4"),
        ([*rows(), "1,2,big,1,5"], {}, r"line 62 has 5 columns"),
        (["1,,big,1", *rows()], {}, r"values are missing in b \(1\); type data\.missing=drop or data\.missing=mean"),
        (["1,1,,1", *rows()], {"missing": "mean"}, r"1 values are missing in size; type data\.missing=drop"),
        (rows(), {"target": "w"}, r"data\.text=error: columns of text: size; type data\.text=one_hot"),
        (rows(), {"target": "sise"}, r"data\.target=sise: x\.csv has no such column; did you mean size\?; it has a, b"),
        (rows(), {"weight": "W"}, r"data\.weight=W: x\.csv has no such column"),
        (rows(), {"kind": "numbers"}, r"data\.kind=numbers: the target size is text"),
        (["1,2,big,1"] * 9, {}, r"data\.target=size: every value is big; a target must vary"),
        ([], {}, r"there is no row beneath the header"),
        (["1,2,big,1", *["1,2,small,1"] * 9], {}, r"class big has 1 example; train, val and test need one each"),
        (rows(), {"file": "absent.csv"}, r"data\.file=absent\.csv: there is no such file"),
        (rows(), {"missing": "zero"}, r"data\.missing=zero: choose one of error, drop, mean"),
        (
            ["1,,big,", *["1,,small,1"] * 9],
            {"missing": "drop"},
            r"data\.missing=drop: .* no row without a gap.* b \(10\), "
            r"w \(1\); .*data\.drop=\[b\]",
        ),
        (rows(), {"weight": "size"}, r"data\.weight=size: it is data\.target too; name another column"),
        (rows(), {"drop": ["a", "size"]}, r"data\.drop=size: it is data\.target too"),
        (rows(), {"drop": ["w"], "weight": "w"}, r"data\.drop=w: it is data\.weight too"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, lines: list[str], settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says) as error:
        table(tmp_path, lines, **settings)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(not HOUSING.exists(), reason="California housing is absent: set DNNX_DATA_DIR")
def test_a_regression_on_california_housing_beats_the_mean(tmp_path: Path) -> None:
    typed = ["data=table", f"data.file={HOUSING}", "data.target=MedHouseVal", "task=regression", "seeds=2"]
    few = ["net.hidden=[32]", "trainer.max_epochs=2", "~callbacks.progress"]
    results = train(compose(*typed, *few), tmp_path)
    assert min(results["test/r2"]) > 0.4
    assert np.isfinite(results["test/rmse"]).all()


def test_numbers_for_classes_are_one_line(tmp_path: Path) -> None:
    table(tmp_path, [f"{i}.5,1,{i % 3}" for i in range(60)], "y,b,c", target="y")
    typed = ["data=table", f"data.file={tmp_path / 'x.csv'}", "data.target=y"]
    with pytest.raises(UserError, match="task=classification: the targets are numbers, not classes; type task=regr"):
        train(compose(*typed, "seeds=1"), tmp_path / "run")


def test_scaling_by_all_rows_takes_the_values_that_are_there(tmp_path: Path) -> None:
    lines = [f"{i if i else ''},{i % 3},{i % 2}" for i in range(60)]
    data = table(tmp_path, lines, "a,b,y", target="y", missing="mean", scale_all=True, standardize=False)
    a = torch.cat([x[:, 0] for x, _ in data.splits.values()]).sort().values
    there = torch.arange(1, 60.0)
    scaled = (there - there.mean()) / there.std()
    assert (a[:, None] - scaled).abs().min(0).values.max() < 1e-5


def test_a_column_that_is_constant_in_all_rows_is_only_shifted(tmp_path: Path) -> None:
    data = table(tmp_path, [f"{i % 7},0.1,{'big' if i % 3 else 'small'},1" for i in range(60)], standardize=False,
                 scale_all=True)  # fmt: skip
    assert data.splits["train"][0][:, 1].abs().max() < 1e-6
    assert isinstance(data.reader, Columns)
    assert data.reader.scale is not None
    assert data.reader.scale[1] == 1


def test_a_damaged_compressed_table_is_one_line(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"a,b\n1,2\n" * 50))
    packed[10] = 0xFF  # no block of deflate begins so
    (tmp_path / "x.csv.gz").write_bytes(packed)
    with pytest.raises(UserError, match=r"x\.csv\.gz: it cannot be read"):
        Table(seeds=[0], file=str(tmp_path / "x.csv.gz"), target="b").setup()
