"""Run in Superset's own environment: makes what Superset keeps, an admin, and imports a bundle.

Superset's own commands, one after the other in one process: its start takes longer than most of them.
"""

import os
import sys

from flask.cli import ScriptInfo
from superset.app import create_app
from superset.cli.main import superset

bundle = sys.argv[1]
person = ("--firstname", "Admin", "--lastname", "Admin", "--email", "admin@localhost")
app = create_app()
for arguments in (
    ("db", "upgrade"),
    ("fab", "create-admin", "--username", "admin", *person, "--password", os.environ["PASSWORD"]),
    ("init",),
    ("import-dashboards", "--path", bundle, "--username", "admin"),
):
    superset.main(arguments, obj=ScriptInfo(create_app=lambda: app), standalone_mode=False)
