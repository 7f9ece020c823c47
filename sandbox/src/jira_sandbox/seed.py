"""The issues a fresh sandbox starts with: a small shop and its work."""

from jira_sandbox.state import World

_PROJECTS = {"PAY": "Payments", "WEB": "Web shop", "MOB": "Mobile app"}
_ISSUES = (
    ("PAY-1", "Pay with one click on repeat orders", "Story", "In Progress", "Mina Okafor"),
    ("PAY-2", "Show the total in the customer's currency", "Story", "In Review", "Jonas Weber"),
    ("PAY-3", "Declined cards are retried twice", "Bug", "To Do", None),
    ("PAY-4", "Refund to store credit", "Story", "Done", "Mina Okafor"),
    ("WEB-1", "New checkout layout", "Epic", "In Progress", "Ravi Patel"),
    ("WEB-2", "Search suggests while typing", "Story", "In Review", "Elif Demir"),
    ("WEB-3", "Product pages load in under a second", "Task", "In Progress", "Ravi Patel"),
    ("WEB-4", "Footer links break on small screens", "Bug", "Done", "Elif Demir"),
    ("MOB-1", "Sign in with a fingerprint", "Story", "In Progress", "Tomás Rivera"),
    ("MOB-2", "Offline basket", "Story", "To Do", None),
    ("MOB-3", "Push messages for shipped orders", "Story", "In Review", "Tomás Rivera"),
    ("MOB-4", "Crash when the camera is denied", "Bug", "Done", "Jonas Weber"),
)


def seed(world: World) -> None:
    """Fill an empty world."""
    for key, name in _PROJECTS.items():
        world.add_project(key, name)
    for number, (key, summary, kind, status, assignee) in enumerate(_ISSUES):
        world.add_issue(
            key.partition("-")[0],
            key=key,
            summary=summary,
            type=kind,
            status=status,
            assignee=assignee,
            description=f"As agreed in planning: {summary[0].lower()}{summary[1:]}.",
            commits=[
                {
                    "id": f"{number:02x}4f9c{number * 7:02x}",
                    "message": f"{key} {summary}",
                    "author": assignee or "Mina Okafor",
                },
                {
                    "id": f"{number:02x}b21e{number * 5:02x}",
                    "message": f"{key} Put it behind a flag",
                    "author": assignee or "Mina Okafor",
                },
            ],
            deployments=[
                {"environment": "staging", "state": "successful", "name": f"Build {310 + number}"},
                {
                    "environment": "production",
                    "state": "successful" if status == "Done" else "pending",
                    "name": f"Build {305 + number}",
                },
            ],
        )
