"""The command line's flags with none of them given."""

from launch.__main__ import FLAGS

NOT_GIVEN = {name: FLAGS[name].default for name in FLAGS}
