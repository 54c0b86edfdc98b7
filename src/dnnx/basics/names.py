"""Names of arms, runs, studies and loggers: each is the name of a folder, so a path or a file of dnnx is refused."""

LONGEST = 255  # bytes of a file's name
# dnnx writes these beside the arms of a study.
TAKEN = ("figures", "latest", "shards", "checkpoints", "tensorboard", "best.yaml", "config.yaml",
         "study.json", "report.html", "report.md", "results.json", "metrics.csv", "data.json")  # fmt: skip


def fault_of_name(name: object, taken: tuple[str, ...] = ()) -> str:
    """Return why a folder cannot have this name; "" if it can. `taken` are names of other files there.

    >>> fault_of_name("bn"), fault_of_name("figures", TAKEN)
    ('', 'dnnx writes a file of this name; choose another')
    """
    if not isinstance(name, str) or not name:
        return "it must be the name of a folder, such as bn"
    if "/" in name:
        return "a name holds no slash; type the name of a folder, such as bn"
    if name.startswith("."):
        return "a name does not begin with a dot; type the name of a folder, such as bn"
    if not name.isprintable():
        return "a name holds no control characters; type the name of a folder, such as bn"
    if len(name.encode(errors="replace")) > LONGEST:
        return f"a name has at most {LONGEST} bytes; declare arms with short names in place of long swept values"
    return "dnnx writes a file of this name; choose another" if name in taken else ""
