"""Which of the backward passes through a call are those of the training.

A loss may hold gradients of its own, as a gradient penalty does, and an adversarial example comes of some: passes by
`torch.autograd.grad` that leave the gradients of the weights as they are. What arrives in them is no gradient of the
loss. Where the training takes all of its gradients in that way, they are all there is, and count.
"""

import torch
from torch import nn
from torch.autograd.graph import get_gradient_edge


class Passes:
    """The backward passes through one call of a module.

    Attributes:
        have_accumulated: Whether one of them added to the gradients of the module's weights.
        are_differentiated: Whether the loss holds gradients of the call: then what comes back inside it isn't known.
        version: Changes when what arrived until then is to be forgotten.
    """

    def __init__(self, module: nn.Module) -> None:
        self.have_accumulated = False
        self.are_differentiated = False
        self.version = 0
        self._module = module
        self._now = -1
        self._counts = True
        self._was_differentiable = False

    def counts(self) -> bool:
        """Whether what arrives now, in a hook, is to be kept."""
        now = torch._C._current_graph_task_id()  # noqa: SLF001  # there is no public way to it
        if now != self._now:
            self._now = now
            accumulates = _accumulates(self._module)
            if accumulates and not self.have_accumulated:
                self.have_accumulated = True
                self.forget()
            self._counts = accumulates or not self.have_accumulated
            # With create_graph=True, a backward pass is made with gradients on.
            self._was_differentiable |= torch.is_grad_enabled() and not accumulates
        return self._counts

    def forget(self) -> None:
        """Says that what arrived until now was no gradient of the loss."""
        self.version += 1
        self.are_differentiated = self._was_differentiable


def _accumulates(module: nn.Module) -> bool:
    """Whether the backward pass being made adds to the gradients of a module's weights; True where that isn't known."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return not trained or any(map(_is_reached, trained))


def _is_reached(parameter: nn.Parameter) -> bool:
    try:
        node = get_gradient_edge(parameter).node
        return bool(torch._C._will_engine_execute_node(node))  # noqa: SLF001
    except (RuntimeError, AttributeError):  # its gradient is returned by torch.autograd.grad, or by torch.func.grad
        return False
