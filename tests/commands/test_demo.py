"""The demo: what it promises to a newcomer is there, and a taken port is said."""

import socket
import subprocess
import sys

import pytest

from flagpost.actions.accounts import sessions
from flagpost.actions.jira.status import get_integration
from flagpost.commands.demo import EMAIL, PASSWORD, running_demo
from flagpost.errors import SetupError
from tests.end_to_end.world import until

pytestmark = pytest.mark.slow


def test_the_demo_is_connected_and_every_connected_flag_is_on_its_issue() -> None:
    with running_demo() as show:
        assert sessions.sign_in(show.flagpost, EMAIL, PASSWORD)
        until(lambda: len(show.sandbox.flags()) == 11, "every connected flag is in Jira")
        until(lambda: get_integration(show.flagpost, show.admin).pending == 0, "Flagpost has noted the answers")
        found = get_integration(show.flagpost, show.admin)
        assert (found.state.value, found.pending, found.refused_count) == ("connected", 0, 0)
        assert show.sandbox.breaches() == []


@pytest.mark.parametrize("which", ["port", "sandbox_port"])
def test_a_port_that_is_taken_is_said(which: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(SetupError, match="Cannot listen"), running_demo(**{which: other.getsockname()[1]}):
            raise AssertionError("it started")


def test_without_the_sandbox_the_command_says_what_to_install() -> None:
    program = "import sys; sys.modules['jira_sandbox'] = None; from flagpost.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program, "demo"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'flagpost[demo]'" in done.stderr
    assert "Traceback" not in done.stderr
