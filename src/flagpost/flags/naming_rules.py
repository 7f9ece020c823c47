"""Rules for names. Those of flags, treatments and tags are Split's. Each function returns the problem of a name."""

import re

_FLAG = re.compile(r"[a-zA-Z][-_a-zA-Z0-9]*")
_TREATMENT = re.compile(r"[a-zA-Z0-9][-_a-zA-Z0-9]*")
_TRAFFIC_TYPE = re.compile(r"[a-zA-Z][-_a-zA-Z0-9]*")
_FLAG_SET = re.compile(r"[a-z0-9][_a-z0-9]{0,49}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_RESERVED_FLAG_NAMES = frozenset({"datetime", "string", "set", "integer"})
_RESERVED_TREATMENTS = frozenset({"control"})


def flag_name_problem(name: str) -> str | None:
    """Why this cannot be a flag's name (Split: a letter first, then letters, digits, - and _; some words reserved)."""
    if not name:
        return "Give the flag a name."
    if len(name) > 100:
        return "A flag's name has at most 100 characters."
    if not _FLAG.fullmatch(name):
        return "A flag's name starts with a letter and has only letters, digits, hyphens and underscores."
    if name.lower() in _RESERVED_FLAG_NAMES:
        return f"“{name}” is a reserved word; choose another name."
    return None


def treatment_name_problem(name: str) -> str | None:
    """Why this cannot be a treatment's name (Split: SDKs answer `control` where they do not know a flag)."""
    if not name:
        return "Give the treatment a name."
    if len(name) > 100:
        return "A treatment's name has at most 100 characters."
    if not _TREATMENT.fullmatch(name):
        return "A treatment's name has only letters, digits, hyphens and underscores."
    if name.lower() in _RESERVED_TREATMENTS:
        return "“control” is what applications get when Flagpost cannot be reached; choose another name."
    return None


def traffic_type_problem(name: str) -> str | None:
    """Why this cannot be a traffic type's name."""
    if not _TRAFFIC_TYPE.fullmatch(name) or len(name) > 100:
        return "A traffic type starts with a letter and has only letters, digits, - and _, at most 100 characters."
    return None


def segment_name_problem(name: str) -> str | None:
    """Why this cannot be a segment's name."""
    if not _FLAG.fullmatch(name) or len(name) > 100:
        return "A segment's name starts with a letter and has only letters, digits, - and _, at most 100 characters."
    return None


def flag_set_name_problem(name: str) -> str | None:
    """Why this cannot be a flag set's name: SDKs request sets by name, and drop names of another form."""
    if not _FLAG_SET.fullmatch(name):
        return "A flag set's name has only lower-case letters, digits and _, at most 50, a letter or digit first."
    return None


def key_problem(key: str) -> str | None:
    """Why this cannot be a key of a segment (Split: at most 250 characters)."""
    if not key.strip() or len(key) > 250:
        return "A key has 1 to 250 characters."
    if not key.isprintable():
        return "The key has a character that cannot be printed."
    return None


def title_problem(name: str, what: str) -> str | None:
    """Why this cannot be the name of a project, environment, group, key or tag (`what`)."""
    if not name.strip():
        return f"Give the {what} a name."
    if len(name) > 100:
        return f"The name of the {what} has at most 100 characters."
    if not name.isprintable() or "/" in name:
        return f"The name of the {what} has a character that cannot be used there."
    return None


def email_problem(email: str) -> str | None:
    """Why this cannot be the email address of a user."""
    if len(email) > 254 or not email.isprintable() or not _EMAIL.fullmatch(email):
        return "That is not an email address."
    return None
