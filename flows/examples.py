"""Examples for the help of every command, each a line that can be typed.

    epilogue("cache pin")  ->  `glueflow cache pin 9b1d05 --reason "figures of the paper"` and what it does

A new command needs one: tests/test_commands.py asks every command for it, and types each.
"""

from cyclopts import App

SLOTS = "--from 2026-01-01 --to 2026-01-31"
EXAMPLES = {
    "run": {
        "run mrpc --data sample:": "the whole pipeline, offline",
        "run rte --data file:glue --seed 1 --learning-rate 3e-5": "real data from a folder",
        'run own --data "file:reviews.csv?text=body&label=stars"': "a file of your own",
    },
    "plan": {"plan mrpc --data sample: --learning-rate 3e-5": "what a run would build, and why; builds nothing"},
    "benchmark": {
        "benchmark --data sample: --tasks mrpc rte --seeds 1 2 3": "six runs, their means and intervals",
        "benchmark --data file:glue --transfer --submission out.zip": "all tasks, and the leaderboard's files",
    },
    "predict": {
        'predict mrpc "He ate." "He had a meal."': "ask the newest registered model",
        "predict mrpc --input pairs.csv --output answers.csv": "every row of a file",
    },
    "pipeline": {'pipeline fill-mask hf://google-bert/bert-base-uncased "He [MASK] a meal."': "the words that fit"},
    "backfill plan": {f"backfill plan {SLOTS} --every week --tasks mrpc rte": "what there is and what not"},
    "backfill run": {
        f"backfill run {SLOTS} --tasks mrpc rte --at-once 4": "run what is missing, on the workers",
        f"backfill run {SLOTS} --mode failed": "only what failed",
    },
    "backfill status": {"backfill status 3f9c1a70b2d4": "what came of each slot so far"},
    "backfill list": {"backfill list": "every backfill in the bucket"},
    "backfill pause": {"backfill pause 3f9c1a70b2d4": "submit no more slots for now"},
    "backfill resume": {"backfill resume 3f9c1a70b2d4": "let it go on, here if nobody carries it out"},
    "backfill cancel": {"backfill cancel 3f9c1a70b2d4": "end it, and what is under way"},
    "report run": {"report run mrpc@3 --open": "curves, confusion, reliability, worst errors, time and bytes"},
    "report compare": {
        "report compare mrpc@3 mrpc@champion --output against.html": "two versions on the same examples"
    },
    "report suite": {"report suite --tasks mrpc rte --seeds 1 2 3 --data file:glue": "what such a benchmark ran"},
    "report backfill": {"report backfill 3f9c1a70b2d4 --link --valid 2d": "with a link for who has no key"},
    "models list": {"models list mrpc": "every version of one model, with its metrics"},
    "models show": {"models show mrpc@3": "what version 3 was made from"},
    "models diff": {"models diff mrpc@2 mrpc@champion": "what they were made from, and their metrics"},
    "models verify": {"models verify mrpc@3": "every byte of version 3 read again"},
    "models pull": {"models pull mrpc@champion model": "a from_pretrained folder, every file checked"},
    "models promote": {
        "models promote mrpc@3": "judge it against mrpc@champion on the same examples, and move the alias",
        "models promote mrpc@3 mrpc@2 mrpc@1": "three seeds judged together",
    },
    "models rollback": {"models rollback mrpc@champion": "back to the version before"},
    "models whois": {"models whois mrpc@champion --at 2026-01-31": "which version it was at that day's end, and why"},
    "models delete": {'models delete mrpc@2 --reason "not needed"': "its number is never given again"},
    "cache list": {"cache list --step finetune": "the trainings that are kept, and what keeps them"},
    "cache explain": {"cache explain 9b1d05": "what it was made from, and how it differs from the one before"},
    "cache verify": {"cache verify": "every byte read again"},
    "cache gc": {
        "cache gc": "what may go",
        "cache gc --delete --grace 36h": "remove it",
    },
    "cache pin": {'cache pin 9b1d05 --reason "figures of the paper"': "keep it, and what it was made from"},
    "cache unpin": {"cache unpin 9b1d05": "let go of it"},
    "policy": {"policy worker": "the rights of a worker in GLUEFLOW_BUCKET"},
    "deploy": {"deploy --timezone Europe/Berlin --active": "schedules that start runs at once"},
    "up": {"up": "the store and the Prefect UI, on loopback", "up --serve": "and run what is started there"},
    "down": {"down": "stop them; data stays"},
    "init": {"init": "writes glueflow.toml, every key with its default"},
    "doctor": {"doctor": "is this machine fit, and how to mend it"},
    "drill": {"drill --kills 10": "ten kills at random moments, and the other faults"},
    "completion": {"completion bash > ~/.local/share/bash-completion/completions/glueflow": "for every new shell"},
}
FIRST = ("run", "plan", "predict")  # shown for the whole command


def epilogue(*names: str) -> str:
    """What a help ends with: the examples of these commands, and of those below them."""
    chosen = [lines for each, lines in EXAMPLES.items() if any(f"{each} ".startswith(f"{name} ") for name in names)]
    lines = [f"- `glueflow {line}` — {about}" for examples in chosen for line, about in examples.items()]
    return "\n".join(["Examples:", "", *lines])


def attach(group: App) -> None:
    """Give a group of commands, and each of them, the examples of its name."""
    group.help_epilogue = epilogue(group.name[0])
    for name in group:
        if not name.startswith("-"):
            group[name].help_epilogue = epilogue(f"{group.name[0]} {name}")
