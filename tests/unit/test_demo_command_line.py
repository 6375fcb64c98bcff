import subprocess
import sys

HEAVY = {"sqlalchemy", "genai_prices"}


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_help_loads_neither_sqlalchemy_nor_the_prices() -> None:
    done = python(
        "import atexit, sys\n"
        f"atexit.register(lambda: print(sorted({HEAVY!r} & set(sys.modules))))\n"
        "sys.argv = ['driftbreaker', '--help']\n"
        "from driftbreaker.cli import main\n"
        "main()"
    )

    assert done.returncode == 0
    assert "Watch a breaker trip" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_click_one_line_says_what_to_install() -> None:
    done = python("import sys; sys.modules['click'] = None\nfrom driftbreaker.cli import main\nmain()")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "driftbreaker: the command line needs click: pip install 'driftbreaker[cli]'\n"


def test_without_the_prices_the_demo_says_what_to_install() -> None:
    done = python(
        "import sys; sys.modules['genai_prices'] = None; sys.argv = ['driftbreaker', 'demo']\n"
        "from driftbreaker.cli import main\n"
        "main()"
    )

    assert done.returncode == 1
    assert done.stderr == "Error: the demo needs genai-prices: pip install 'driftbreaker[demo]'\n"


def test_a_command_that_does_not_exist_is_a_usage_error() -> None:
    done = python("import sys; sys.argv = ['driftbreaker', 'demmo']\nfrom driftbreaker.cli import main\nmain()")

    assert done.returncode == 2
    assert "No such command 'demmo'" in done.stderr
