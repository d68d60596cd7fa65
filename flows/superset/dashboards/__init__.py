"""The dashboards: golden images, build health, and the pipeline itself.

Data, columns and measures are those of the schema `bi`; `make dashboards` writes data/superset from
here.
"""

from typing import Final

from flows.superset.dashboards.build_health import BUILD_HEALTH
from flows.superset.dashboards.golden_images import GOLDEN_IMAGES
from flows.superset.dashboards.pipeline import PIPELINE

DASHBOARDS: Final = (GOLDEN_IMAGES, BUILD_HEALTH, PIPELINE)
