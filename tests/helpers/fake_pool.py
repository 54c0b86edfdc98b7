"""A pool without processes: it ends the oldest running task at each message."""

from dnnx.studies.foreman import Ended, Task


class FakePool:
    """Ends the oldest running task at each message; `fails` maps tasks to the end that is not a good one."""

    def __init__(self, fails: dict[str, Ended]):
        self.fails, self.running, self.order = fails, list[str](), list[str]()
        self.most = 0
        self.environments: list[dict[str, str]] = []

    def start(self, task: Task) -> None:
        self.running.append(task.name)
        self.order.append(f"+{task.name}")
        self.environments.append(dict(task.environment))
        self.most = max(self.most, len(self.running))

    def receive(self) -> tuple:
        name = self.running.pop(0)
        self.order.append(f"-{name}")
        return "ended", self.fails.get(name, Ended(name, None, 0, "", ""))
