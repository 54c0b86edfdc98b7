"""Experiments by their name alone: `+exp=bn_vs_plain` is conf/exp/normalization/bn_vs_plain.yaml.

In a defaults list too: `- dense5` in any experiment finds conf/exp/architecture/dense5.yaml. Hydra asks here before it
asks the user's folders, so `compose` refuses an experiment of the user's that has the name of one of dnnx's.
"""

from pathlib import Path, PurePosixPath

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import Container, OmegaConf

from dnnx.config.paths import CONF, experiment, options


class ExperimentSource(ConfigSource):
    """Finds `exp/<name>` and `exp/<any folder>/<name>` in the folders of conf/exp."""

    @staticmethod
    def scheme() -> str:
        return "dnnx"

    def load_config(self, config_path: str) -> ConfigResult:
        path = _find(config_path)
        if path is None:
            raise ConfigLoadError(f"there is no experiment {config_path}")
        config = OmegaConf.load(path)
        assert isinstance(config, Container)
        return ConfigResult(
            provider=self.provider, path=self.full_path(), config=config, header={"package": "_global_"}
        )

    def is_group(self, config_path: str) -> bool:
        return config_path == "exp"

    def is_config(self, config_path: str) -> bool:
        return _find(config_path) is not None

    def available(self) -> bool:
        return True

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        return options("exp") if config_path == "exp" and results_filter != ObjectType.GROUP else []


def _find(config_path: str) -> Path | None:
    path = PurePosixPath(config_path)
    return experiment(path.name.removesuffix(".yaml")) if path.parts[:1] == ("exp",) and len(path.parts) > 1 else None


class ExperimentPath(SearchPathPlugin):
    """Adds the source above where Hydra searches conf/, and leaves other Hydra programs alone."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        if any(element.path.removeprefix("file://") == str(CONF) for element in search_path.get_path()):
            search_path.append("dnnx", "dnnx://exp")
