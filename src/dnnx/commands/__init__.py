"""The commands by name, and those of them that use networks which exist already."""

from typing import NamedTuple


class Command(NamedTuple):
    """A module with a function `main`, and its purpose in a line."""

    module: str
    told: str


COMMANDS = {
    "train": Command("dnnx.train", "train one network per seed and test them, or run a study; go on with either"),
    "evaluate": Command("dnnx.evaluate", "test the best weights of a run again, also with MC dropout"),
    "predict": Command("dnnx.commands.predict", "classes or numbers for new images, tables, texts or arrays"),
    "export": Command("dnnx.commands.export", "write trained networks to a file of ONNX, torch.export or safetensors"),
    "compare": Command("dnnx.compare", "write a report on runs that you already have"),
    "tune": Command("dnnx.tune", "search hyperparameters by cross-validation"),
    "cost": Command("dnnx.commands.cost", "count parameters and multiply-adds of a network, layer by layer"),
    "sample": Command("dnnx.commands.sample", "let a language model continue a text"),
    "import_weights": Command("dnnx.import_weights", "make a run folder of a network that was trained elsewhere"),
}
