"""Health check: the toy framework imports and says its version."""
import json

import toy

with open("out/check.json", "w") as file:
    json.dump({"version": toy.__version__, "cuda": None, "compute": None}, file)
