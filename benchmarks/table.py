"""The table of all benchmarks."""

HEAD = "| what | figure | floor of the same run | ratio | aim |\n|---|---|---|---|---|"


def report(what: str, figure: str, floor: str, ratio: str, aim: str) -> None:
    """Print one line of the table."""
    print(f"| {what} | {figure} | {floor} | {ratio} | {aim} |", flush=True)
