"""The floor for writes: the same web stack and store, and one INSERT."""

import sys

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI, Request

from flagpost.store.db import Database

database = Database(sys.argv[1])
metadata = sa.MetaData()
rows = sa.Table("bare", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("body", sa.Text))
metadata.create_all(database.engine)
app = FastAPI()


@app.get("/readyz")
def ready() -> dict[str, str]:
    return {"status": "ready"}


@app.post("/insert")
def insert(body: dict[str, str], request: Request) -> dict[str, str]:
    with database.write() as tx:
        tx.execute(sa.insert(rows).values(body=body["name"]))
    return {"name": body["name"], "path": request.url.path}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="critical", access_log=False)
