"""Makes Nova's schemas and cells as nova-manage does, in one process: its code is loaded once instead of four times.

nova_schema.py CONFIG_FILE CELL0_DATABASE
"""

import sys

from nova import config, objects
from nova.cmd import manage

config.parse_args(["nova-manage", "--config-file", sys.argv[1]])
objects.register_all()
cells = manage.CellV2Commands()
sys.exit(
    manage.ApiDbCommands().sync()
    or cells.map_cell0(sys.argv[2])
    or manage.DbCommands().sync()
    or cells.create_cell("cell1")
)
