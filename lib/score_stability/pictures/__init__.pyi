from .motion import animated_png as animated_png
from .motion import frame as frame
from .motion import show as show
