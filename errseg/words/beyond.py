"""What no model of this kind understands: places, counts, negation, comparisons, or everything.

A class is a name; its pixels are found wherever they are, however many there are.
"""

import re
from dataclasses import dataclass

from errseg.words.parting import is_listed

_SIDES = (
    "left|right|top|bottom|middle|cent(?:er|re)|front|back|foreground|background|corner|edge"
    "|side|upper|lower|distance|horizon|end"
)
_RELATIONS = (
    "behind|beside|below|beneath|underneath|above|between|near(?:by)?|next to|close to"
    "|closest to|in front of|on top of|inside|outside|under|against|across|around|among"
    "|opposite|(?:to the )?(?:left|right) of"
)
_FIRST = (
    "left|right|leftmost|rightmost|topmost|bottommost|middle|top|bottom|upper|lower|front|back"
    "|rear|nearest|closest|farthest|furthest|far|near|left-hand|right-hand|nearby|distant"
)
_NUMBERS = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|both|several|many|few"
    r"|some|every|each|exactly \w+|at least \w+|at most \w+|only one|dozens of|\d{1,3}"
)
_ORDINALS = (
    r"first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|next|other"
    r"|another|\d{1,3}(?:st|nd|rd|th)|only"
)
_MOST = (
    "largest|biggest|smallest|tallest|highest|lowest|shortest|longest|oldest|youngest|newest"
    "|brightest|darkest|fastest|heaviest|widest|thickest|thinnest|most"
)
_MORE = "larger|bigger|smaller|taller|shorter|longer|older|younger|brighter|darker"

_WITHOUT = (
    r"(?:except(?: for)?|excluding|other than|but not|but no|without|instead of|rather than|not)"
)
_PATTERNS = {
    "whole": (
        r"(?:every|any)thing|all(?: of (?:it|them))?|all (?:the )?(?:objects|things|classes)",
        r"what(?:'s| is| are)?(?: (?:this|that|it|these|those|there|here))?"
        r"(?: (?:in|on) (?:it|here|(?:this|the) (?:photo|picture|image)))?\s?\?*",
    ),
    "negation": (
        r"(?:not|no|never|none of)\s+(?:(?:an?|the|any)\s+)?(?P<rest>[^\W\d].*)|non-(?P<one>\w+)",
        rf"(?:everything|anything|all|everywhere)\s+(?:else|but|{_WITHOUT})\s*(?:the\s)?(?P<rest>.*)",
        r"(?:the )?rest(?: of (?P<rest>.+))?|nothing|(?:every|any)thing(?: else)?|others?",
        rf"(?P<rest>.+?)[\s,]+(?:that (?:is|are) )?{_WITHOUT}\s+.+",
    ),
    "comparison": (
        rf"(?:the )?(?:{_MOST})\s+(?:\w+\s+)??(?P<rest>[^\W\d].*)",
        rf"(?P<rest>.+?)\s+(?:that (?:is|are) )?(?:{_MORE})\s+than\s+.+",
        rf"(?:the )?(?:{_MORE})\s+(?P<rest>[^\W\d].*)",
    ),
    "place": (
        rf"(?P<rest>.+?)\s+(?:that (?:is|are) )?(?:on|at|to|in|from|towards?)\s+(?:the\s+)?"
        rf"(?:(?:far|very|upper|lower|bottom|top)\s+)?(?:{_SIDES})\b.*",
        rf"(?P<rest>.+?)\s+(?:that (?:is|are) )?(?:{_RELATIONS})(?:\s+.+)?",
        r"(?P<rest>.+?)\s+(?:on|in|at)\s+(?:the|an?|his|her|its|my|your|their)\s+.+",
        r"(?P<rest>.+?)\s+on\s+[^\W\d]+",
        rf"(?:the )?(?:{_FIRST})\s+(?!of\b)(?P<rest>[^\W\d].*)",
    ),
    "count": (
        rf"(?:the |all (?:the )?)?(?:{_ORDINALS})\s+(?P<rest>[^\W\d].*)",
        rf"(?:the |all (?:the )?)?(?:{_NUMBERS})\s+(?:of (?:the )?)?(?P<rest>[^\W\d].*)",
        r"(?:how many|number of|count(?: of| the)?|all(?: of)?(?: the)?)\s+(?P<rest>[^\W\d].*)",
        r"(?P<rest>.+?)\s+(?:number|no\.?|nr\.?|#)\s?(?:\d{1,3}|one|two|three)",
    ),
}
_SOME_OF_THEM = {
    kind: re.compile(rf"\b(?:{words})\b|#", re.IGNORECASE)
    for kind, words in {
        "whole": "(?:every|any)thing|all|what",
        "negation": f"no|never|none|non|rest|others?|(?:no|every|any)thing|everywhere|{_WITHOUT}",
        "comparison": f"{_MOST}|{_MORE}",
        "place": f"on|at|to|in|from|towards?|{_RELATIONS}|{_FIRST}",
        "count": f"{_ORDINALS}|{_NUMBERS}|how many|number|count|all|no|nr",
    }.items()
}
"""Kind -> words without one of which a name isn't looked at more closely, which takes longer."""
_COMPILED = {
    kind: [re.compile(pattern, re.IGNORECASE) for pattern in patterns]
    for kind, patterns in _PATTERNS.items()
}
# Names of things that begin like these.
_THINGS = re.compile(
    r"no[ -](?:parking|entry|smoking|stopping|swimming|exit|turn|u-turn|left|right)\b|first[ -]aid"
)
_LONE = frozenset(("everything", "anything", "nothing", "rest", "others", "other"))
_BEGINNINGS = re.compile(r"(?:the|an?|any|all|of)\s+", re.IGNORECASE)
SAID = {
    "whole": "nothing is called so; “What is in it?”, or segment --suggest, names what is there",
    "negation": "negation is not understood, only what is there",
    "comparison": "comparisons are not understood, only what things are",
    "place": "places are not understood, only what things are",
    "count": "counts are not understood, only what things are",
}
"""Kind of what isn't understood -> what to say of it."""
_DEEPEST = 3  # things in what a name asks for that are looked at: the second dog on the left


@dataclass(frozen=True)
class Beyond:
    """What a name asks for beyond a thing."""

    kind: str  # of `SAID`
    thing: str  # the name without it; empty if nothing is left


def beyond(name: str, deepest: int = _DEEPEST) -> Beyond | None:
    """Say what in a name no model of this kind understands, or None for a plain name.

    Args:
        name: of a class.
        deepest: how often the thing that remains is looked at in its turn.
    """
    if " " not in name and "-" not in name and name.lower() not in _LONE:
        return None
    if is_listed(name) or _THINGS.match(name.lower()):
        return None
    for kind, patterns in _COMPILED.items():
        if not _SOME_OF_THEM[kind].search(name):
            continue
        for pattern in patterns:
            if found := pattern.fullmatch(name):
                rest = found[found.lastgroup] if found.lastgroup else ""
                return Beyond(kind, _thing(rest, deepest))
    return None


def _thing(rest: str, deepest: int) -> str:
    """Name the thing that remains, which may be beyond a model in a second way."""
    rest = rest.strip(" ?.!,")
    while begun := _BEGINNINGS.match(rest):
        rest = rest[begun.end() :]
    if rest.lower() in ("everything", "anything", "one", "ones", "thing", "things"):
        return ""
    more = beyond(rest, deepest - 1) if deepest else None
    return more.thing if more else rest
