"""placeholder"""


def worthwhile(x, weight):
    return False


def conv3(x, weight, bias):
    raise NotImplementedError
