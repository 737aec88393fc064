"""``python -m fastloss guide``: questions about a task, or options that answer them, and the losses for it."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from typing import Any

from ._recommend import recommend
from ._situation import MODELS, OUTLIERS, PREDICTS, families


@dataclasses.dataclass(frozen=True)
class Question:
    """A question: the option that answers it, its choices (none: a share), and when to ask it."""

    option: str
    text: str
    choices: tuple[str, ...] = ()
    asked: Callable[[dict[str, Any]], bool] = lambda answers: True
    most: float = 1.0


def _of_classes(answers: dict[str, Any]) -> bool:
    return answers.get("task") in ("binary", "multiclass")


def _of_numbers(answers: dict[str, Any]) -> bool:
    return answers.get("task") in ("regression", "counts", "distributions")


def questions() -> tuple[Question, ...]:
    """The questions in their order."""
    return (
        Question("task", "What is to be predicted?", families()),
        Question("outliers", "Are there targets far from what can be predicted?", OUTLIERS, _of_numbers),
        Question("imbalance", "What share of the rows has the rarest class (0.05, say)?", (), _of_classes, 0.5),
        Question("label_noise", "What share of the labels is wrong?", (), _of_classes),
        Question(
            "predict",
            "What should a prediction be?",
            PREDICTS,
            lambda answers: _of_classes(answers) or _of_numbers(answers),
        ),
        Question("model", "What kind of model?", MODELS),
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each question."""
    for question in questions():
        flag = "--" + question.option.replace("_", "-")
        if question.choices:
            parser.add_argument(flag, choices=question.choices, help=question.text)
        else:
            parser.add_argument(flag, type=float, metavar="SHARE", help=question.text)
    parser.add_argument("-n", type=int, default=5, help="how many losses to name (default: %(default)s)")
    parser.add_argument("--table", action="store_true", help="one line for each, without reasons")


def run(arguments: argparse.Namespace) -> int:
    """Answer: of the options, or by questions if there are none and somebody can answer them."""
    given = {q.option: getattr(arguments, q.option) for q in questions()}
    answers = {option: answer for option, answer in given.items() if answer is not None}
    if not answers and sys.stdin.isatty():
        try:
            answers = ask(input)
        except EOFError:
            print(file=sys.stderr)
            return 1
    if "task" not in answers:
        arguments.parser.error(f"--task must be given: one of {', '.join(families())}")
    try:
        found = recommend(**answers, n=arguments.n)
    except (TypeError, ValueError) as error:
        arguments.parser.error(str(error))
    print(found.table() if arguments.table else found)
    options = " ".join(f"--{option.replace('_', '-')} {answer}" for option, answer in answers.items())
    print(f"\nThe same again: python -m fastloss guide {options}")
    print("Details: python -m fastloss info LOSS")
    return 0


def ask(read: Callable[[str], str]) -> dict[str, Any]:
    """Ask all questions that matter; an empty answer means that it is not known.

    Parameters
    ----------
    read : callable
        Shows a text and returns a line, as `input` does.

    Returns
    -------
    dict
        Options of `recommend`.

    Examples
    --------
    >>> from fastloss.guide._questions import ask
    >>> lines = iter(["binary", "0.02", "", "probability", "1"])
    >>> ask(lambda text: next(lines))
    {'task': 'binary', 'imbalance': 0.02, 'predict': 'probability', 'model': 'booster'}
    """
    answers: dict[str, Any] = {}
    for question in questions():
        if not question.asked(answers):
            continue
        choices = "".join(f"\n  {k}  {choice}" for k, choice in enumerate(question.choices, 1))
        prompt = f"{question.text}{choices}\n{'Number or name' if choices else 'Share'}"
        required = question.option == "task"
        prompt += ": " if required else " (empty: not known): "
        while True:
            answer = read(prompt).strip().lower()
            try:
                value = _understood(answer, question)
            except ValueError as error:
                prompt = f"{error}: "
                continue
            if value is not None or not required:
                break
        if value is not None:
            answers[question.option] = value
    return answers


def _understood(answer: str, question: Question) -> Any:
    if not answer:
        return None
    if not question.choices:
        try:
            share = float(answer.rstrip("%")) / (100 if answer.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 < share <= question.most:
            raise ValueError(f"A number above 0 and up to {question.most:g}, please, not {answer!r}")
        return share
    if answer.isdigit() and 1 <= int(answer) <= len(question.choices):
        return question.choices[int(answer) - 1]
    if answer in question.choices:
        return answer
    raise ValueError(f"One of {', '.join(question.choices)}, please, not {answer!r}")
