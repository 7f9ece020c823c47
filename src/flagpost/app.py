"""The composition root: the only place that knows which parts Flagpost is made of."""

import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from flagpost import __version__
from flagpost.actions import first_start, sessions
from flagpost.actions.access import Actor, system
from flagpost.actions.context import Context
from flagpost.errors import SetupError
from flagpost.observe import set_up_logging
from flagpost.settings import Settings
from flagpost.store import migrate
from flagpost.store.db import Database
from flagpost.web import api, api_v1, console, forge, headers, health, render
