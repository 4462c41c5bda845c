"""A real S3 server for a while: SeaweedFS, as the journeys start it."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from .bench import ROOT, Bench


@contextmanager
def server(bench: Bench):
    """Gives a function from a namespace's name to its URI on the server."""
    sys.path.insert(0, str(ROOT / "tests" / "journeys"))
    from servers import BUCKET, WRITER, SeaweedFS

    folder = bench.folder / "seaweed"
    folder.mkdir(exist_ok=True)
    weed = SeaweedFS(folder).start()
    access = {
        "AWS_ACCESS_KEY_ID": WRITER[0], "AWS_SECRET_ACCESS_KEY": WRITER[1], "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_ALLOW_HTTP": "true", "AWS_ENDPOINT": weed.endpoint,
    }
    before = {name: os.environ.get(name) for name in access}
    os.environ.update(access)
    try:
        yield lambda name: f"s3://{BUCKET}/bench?ns={name}&kms={bench.kms}"
    finally:
        weed.stop()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
