"""MLflow's look at its database's version, in an environment whose path has a percent sign."""

import sysconfig
from functools import cache


@cache
def migrate_anywhere() -> None:
    """Let Alembic find MLflow's migrations wherever the packages lie: MLflow does not double percent signs for it."""
    if "%" not in sysconfig.get_path("purelib"):
        return
    from alembic.config import Config

    told = Config.set_main_option

    def set_main_option(config: Config, name: str, value: str) -> None:
        told(config, name, value.replace("%", "%%") if name == "script_location" else value)

    Config.set_main_option = set_main_option  # type: ignore[method-assign, assignment]
