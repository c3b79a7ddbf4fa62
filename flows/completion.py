"""`glueflow completion`: the script that lets a shell complete commands, flags, tasks and other choices."""

from typing import Literal

from cyclopts import App

from flows import examples, screen
from flows.screen import Json

Shell = Literal["bash", "zsh", "fish", "powershell"]


def register(app: App) -> None:
    """Add the command to the app that it completes."""

    @app.command(help_epilogue=examples.epilogue("completion"))
    def completion(shell: Shell, /, *, as_json: Json = False) -> None:
        """Print the script that completes `glueflow` in a shell; in bash: `source <(glueflow completion bash)`."""
        script = app.generate_completion(shell=shell)
        if as_json:
            return screen.print_json({"shell": shell, "script": script})
        return screen.print_plain(script)
