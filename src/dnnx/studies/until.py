"""A study that goes on until it is decided: look by look, with more seeds for the arms of open claims."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from dnnx.basics.console import console
from dnnx.basics.errors import UserError, require, shown
from dnnx.config import resume
from dnnx.config.app import FAILURES, fail
from dnnx.config.run_shards import config_of_all, require_backbone
from dnnx.config.seeds import compact, parse_seeds, seeds_word
from dnnx.runs.checksums import is_other_data
from dnnx.runs.files import read_declaration, read_json, read_results, write_json
from dnnx.runs.looks import Look, Looks
from dnnx.studies.backbone import is_needed
from dnnx.studies.plan import Job, Plan
from dnnx.studies.planned_looks import seeds_at

Train = Callable[[Plan], object]  # trains the jobs of a plan
Prepare = Callable[[Sequence[int]], object]  # makes sure of all that these seeds start from


@dataclass(frozen=True)
class Claim:
    """A claim after a look: its arms, the question, and the answer in words."""

    arms: tuple[str, str]
    ask: str
    words: str
    is_open: bool


def go_on_until_decided(config: DictConfig, plan: Plan, train: Train, advice: str, prepare: Prepare) -> None:
    """Take one look after the other until no claim is open or the last look is taken.

    Each look trains the missing seeds of the arms that it needs, after `prepare` had its seeds. A look whose training
    fails is not taken; `advice` says how to go on then.
    """
    while (look := next_look(config, plan)) is not None:
        prepare(look.seeds)
        train(replace(plan, jobs=jobs_of(plan, look)))
        require_alike(plan)
        if not is_trained(plan.folder, look):
            if not FAILURES:
                fail(f"{plan.declared['name']}: not all seeds of this look have results; {advice}")
            return
        taken = looks_of(plan)
        _write(plan, replace(taken, taken=(*taken.taken, look)))


def next_look(config: DictConfig, plan: Plan) -> Look | None:
    """Return the next look, and show it; None when the study is decided or its last look is taken."""
    looks, jobs = looks_of(plan), plan.jobs
    place = len(looks.taken)
    claims = claims_of(plan) if place else []
    show_claims(claims)
    still = [claim for claim in claims if claim.is_open]
    if place == len(looks.planned) or (place and not still):
        return None
    if place:
        jobs = needed(plan.jobs, {arm for claim in still for arm in claim.arms})
    look = Look(tuple(seeds_at(config.seeds, looks.planned[place])), tuple(job.name for job in jobs))
    show_look(str(config.name), looks, look, set(plan.names))
    return look


def needed(jobs: Sequence[Job], arms: set[str]) -> list[Job]:
    """Return the jobs of these arms, and those that they start from."""
    wanted = set(arms)
    while more := {job.after for job in jobs if job.name in wanted and job.after} - wanted:
        wanted |= more
    return [job for job in jobs if job.name in wanted]


def jobs_of(plan: Plan, look: Look) -> list[Job]:
    """Return the jobs of a look: those of its arms, with its seeds."""
    chosen = [job for job in plan.jobs if job.name in look.arms]
    return [replace(job, overrides=[*job.overrides, seeds_word(compact(look.seeds))]) for job in chosen]


def claims_of(plan: Plan) -> list[Claim]:
    """Return the claims that seeds can answer, as the looks up to now see them."""
    from dnnx.reports.verdicts import decide  # pandas and scipy
    from dnnx.runs.read import read_study

    verdicts, _ = decide(read_study([plan.folder]))
    tested = [verdict for verdict in verdicts if verdict.answer != "not tested"]
    return [Claim((v.arm, v.than), v.ask, v.words, v.answer == "undecided") for v in tested]


def is_trained(folder: Path, look: Look) -> bool:
    """Return whether every arm of a look has results of its seeds."""
    runs = [folder / arm for arm in look.arms]
    return all((run / "results.json").exists() and set(look.seeds) <= {*read_results(run)["seeds"]} for run in runs)


def looks_of(plan: Plan) -> Looks:
    """Return the planned looks and those that study.json says were taken."""
    found = Looks.of(read_json(plan.folder / "study.json")["looks"])
    assert found is not None
    return found


def planned(plan: Plan, looks: Sequence[int], seeds: Any) -> Plan:
    """Return the plan with the looks of its study.json, or with new ones at these numbers of seeds.

    Raise UserError for a study that was looked at by another plan, or with other `seeds`: its levels would not hold.
    """
    path = plan.folder / "study.json"
    saved: dict[str, Any] = read_declaration(path) if path.exists() else {}
    before = Looks.of(saved.get("looks"))
    if before is not None and before.taken:
        _require_planned(before, looks, plan.folder)
        seen = before.taken[-1].seeds
        whole = seeds_at(list(seen), before.planned[-1])
        others = set() if isinstance(seeds, int) else {*parse_seeds(seeds)} - {*whole}
        told = f"it was looked at with the seeds {seen[0]} to {seen[-1]}; type nothing but resume={plan.folder}"
        is_alike = seeds_at(seeds, len(whole)) == whole and not others
        require(is_alike, "seeds", shown(seeds), f"{told}, or begin a new study")
    elif looks and before is None and any(plan.folder.glob("*/results.json")):
        told = "its results were there before looks were planned; start the study again without resume, or add seeds"
        raise UserError(f"study.until=decided: {told} by hand, such as resume={plan.folder} seeds=20")
    now = before if before is not None and before.taken else Looks(tuple(looks))
    return replace(plan, declared=plan.declared | ({"looks": now.plain()} if looks else {}))


def _require_planned(before: Looks, looks: Sequence[int], folder: Path) -> None:
    """Raise UserError for other looks than those that a study began with."""
    told = f"it was begun to look at {shown(list(before.planned))} seeds, and its answers hold for this plan alone; "
    told += f"type nothing but resume={folder}, or begin a new study with other seeds"
    most = looks[-1] if looks else None
    require(most is None or most == before.planned[-1], "study.max_seeds", shown(most), told)
    require(list(before.planned) == list(looks), "study.looks", shown(list(looks)), told)


def check_before(plan: Plan, configs: Sequence[DictConfig]) -> None:
    """Raise UserError, before any training, for looks that could not be taken or not be compared.

    `configs` are those of the jobs of the plan.
    """
    looks = Looks.of(plan.declared.get("looks"))
    if looks is None:
        return
    for config in configs:
        seeds = seeds_at(config.seeds, looks.planned[-1])
        for look in looks.taken:
            told = f"the looks up to now had the seeds {shown(list(look.seeds))}; leave seeds out"
            require(list(look.seeds) == seeds[: len(look.seeds)], "seeds", shown(config.seeds), told)
        if config.backbone is not None and not str(config.backbone).startswith("arm:") and not is_needed(config):
            require_backbone(config_of_all(config, seeds))
    require_alike(plan)
    for arm, made in _made_by(plan):
        told = f"{arm} was trained by it, and this is {version('dnnx')}; start the study again"
        require(made == version("dnnx"), "dnnx", made, told)


def require_alike(plan: Plan) -> None:
    """Raise UserError unless both arms of each claim have the same source of data and the same version of dnnx."""
    versions = dict(_made_by(plan))
    facts = {name: resume.load_data(plan.folder / name) for name in versions}
    for verdict in plan.declared["verdicts"]:
        arm, than = verdict["arm"], verdict["than"]
        if {arm, than} <= set(facts):
            one, other = facts[arm], facts[than]
            told = f"it has {one['note']}, and {than} has {other['note']} (by checksum): no claim can compare them"
            require(not is_other_data(one, other), "data", arm, f"{told}; train one of the two again")
            told = f"dnnx {versions[arm]} trained it, and {versions[than]} {than}: no claim can compare them"
            require(versions[arm] == versions[than], "dnnx", arm, f"{told}; train one of the two again")


def _made_by(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the trained arms with their version of dnnx."""
    for name in plan.names:
        folder = plan.folder / name
        if (folder / "results.json").exists() and (folder / "data.json").exists():
            yield name, str(read_json(folder / "environment.json").get("dnnx"))


def _write(plan: Plan, looks: Looks) -> None:
    path = plan.folder / "study.json"
    write_json(path, read_json(path) | {"looks": looks.plain()})


def show_claims(claims: Sequence[Claim]) -> None:
    """Print each claim with its answer up to now."""
    for claim in claims:
        line = f"{'open' if claim.is_open else 'decided'}: {claim.ask} {claim.words}"
        console.print(line, soft_wrap=not console.is_terminal)


def show_look(name: str, looks: Looks, look: Look, arms: set[str]) -> None:
    """Print the number of a look, its seeds, and the arms that take them."""
    before = set(looks.taken[-1].seeds) if looks.taken else set()
    new = [seed for seed in look.seeds if seed not in before]
    which = f"seed {new[0]}" if len(new) == 1 else f"{len(new)} seeds, {new[0]} to {new[-1]},"
    settled = sorted(arms - set(look.arms))
    stop = f"; settled, without more seeds: {', '.join(settled)}" if settled else ""
    console.rule(f"{name}: look {len(looks.taken) + 1} of {len(looks.planned)}, {len(look.seeds)} seeds", align="left")
    console.print(f"{which} for {', '.join(look.arms)}{stop}", soft_wrap=True)
