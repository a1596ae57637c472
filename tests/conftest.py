"""What every test shares: nothing reports home."""

import os

from pipeline.config.quiet import REPORTING_OFF

# Before any library is imported: some read their switch only then.
os.environ.update(REPORTING_OFF)
