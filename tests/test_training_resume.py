import pytest

from tests.tiny_training import *
