"""A method that is replaced on one instance, and what becomes of copies of that instance."""

import copy

from tb_rnn_plugin.capture.keras.override import Method, Override


class Scale:
    """Multiplies, as a layer does."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def call(self, x: int) -> int:
        return self.factor * x


def test_a_replaced_method_is_put_back() -> None:
    scale = Scale(2)
    override = Override(scale, "call", lambda call: lambda x: call(x) + 1)
    assert scale.call(3) == 7
    override.undo()
    assert scale.call(3) == 6
    assert vars(scale) == {"factor": 2}


def test_a_deep_copy_has_its_own_method() -> None:
    """Copied while it is tapped, a layer would compute with the weights of the one that it was copied from."""
    scale = Scale(2)
    seen: list[str] = []

    def noting(name: str) -> Override:
        def make(call: Method) -> Method:
            def noted(x: int) -> object:
                seen.append(name)
                return call(x)

            return noted

        return Override(scale, "call", make)

    overrides = [noting("lower"), noting("upper")]
    copied = copy.deepcopy(scale)
    copied.factor = 5
    assert copied.call(3) == 15
    assert not seen
    assert scale.call(3) == 6
    assert seen == ["upper", "lower"]
    for override in overrides:
        override.undo()
    assert copied.call(3) == 15
