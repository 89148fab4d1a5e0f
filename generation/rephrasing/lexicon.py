"""The words that the reader of meaning knows: MEDVQA-GI's own, and those people say instead.

Nothing here is shared with `generation.rephrasing.rules`: the reader judges the rewriter.
"""

Phrase = tuple[str, ...]


def _phrases(text: str) -> list[Phrase]:
    return [tuple(phrase.split()) for phrase in text.split(",")]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _plural(phrase: Phrase) -> Phrase:
    last = phrase[-1]
    if last.endswith("y"):
        return (*phrase[:-1], last[:-1] + "ies")
    return (*phrase[:-1], last + "s")


# What can be counted: its name → what it is called in the singular.
_COUNTED = {
    "polyp": "polyp",
    "finding": "finding",
    "abnormality": "abnormality, abnormal finding, abnormal area, abnormal region, anomaly, lesion",
    "landmark": "landmark, anatomical landmark, anatomic landmark",
    "instrument": "instrument, medical instrument, endoscopic instrument, tool, medical tool",
    "box": "box artefact, box artifact, box overlay, boxed artefact",
    "tube": "tube",
    "snare": "snare, polyp snare, polypectomy snare",
    "clip": "clip, metal clip, metallic clip",
    "needle": "needle, injection needle",
    # Not in MEDVQA-GI; known so that adding one is seen.
    "ulcer": "ulcer",
    "tumour": "tumour, tumor, cancer, carcinoma, adenoma, neoplasm, mass lesion",
    "haemorrhoid": "haemorrhoid, hemorrhoid",
    "erosion": "erosion",
    "hand": "hand",
}
# What has no plural, or is one.
_UNCOUNTED = {
    "text": "text, texts, writing, lettering, written text, text overlay, text overlays, "
    "textual overlay, textual overlays",
    "forceps": "forceps, biopsy forceps, forceps for biopsies, pair of forceps, "
    "pair of biopsy forceps, forceps for biopsy",
    "snare": "snare for polyps, snare for polypectomy",
    "needle": "needle for injection, needle for injections",
    "box": "box, boxes",
    "oesophagitis": "oesophagitis, esophagitis, inflammation of the oesophagus, "
    "inflammation of the esophagus",
    "ulcerative colitis": "ulcerative colitis",
    "colitis": "colitis",
    "barretts": "barretts, barrett's, barrett, barrett's oesophagus, barrett's esophagus, "
    "barretts oesophagus, barretts esophagus, barrett oesophagus, barrett esophagus",
    "z-line": "z line, squamocolumnar junction",
    "cecum": "cecum, caecum",
    "ileum": "ileum",
    "pylorus": "pylorus",
    "colon": "colon, large intestine, large bowel",
    "stomach": "stomach",
    "oesophagus": "oesophagus, esophagus",
    "rectum": "rectum",
    "duodenum": "duodenum",
    "blood": "blood, bleeding, haemorrhage, hemorrhage",
    "inflammation": "inflammation",
    "stool": "stool, faeces, feces",
    "diverticula": "diverticulum, diverticula, diverticulosis",
    "polyposis": "polyposis",
}

#: Phrase → (name, whether it says more than one).
THINGS: dict[Phrase, tuple[str, bool]] = {
    **{p: (name, False) for name, text in _UNCOUNTED.items() for p in _phrases(text)},
    **{p: (name, False) for name, text in _COUNTED.items() for p in _phrases(text)},
    **{_plural(p): (name, True) for name, text in _COUNTED.items() for p in _phrases(text)},
}

_SHADES = ("pale", "light", "dark", "bright")
_COLOURS = {
    "gray": "grey",
    **{
        word: word
        for word in _set(
            "pink red white yellow orange brown blue black purple green grey burgundy violet ink "
            "beige cream"
        )
    },
}
COLOURS: dict[Phrase, str] = {
    **{(word,): colour for word, colour in _COLOURS.items()},
    **{(shade, word): f"{shade} {c}" for shade in _SHADES for word, c in _COLOURS.items()},
}

#: Sizes in words; those in mm are read as numbers.
SIZES: dict[Phrase, str] = {
    phrase: size
    for size, text in {
        "small": "small, little, small sized",
        "medium": "medium, medium sized, mid sized, moderately sized",
        "large": "large, big, large sized",
        "tiny": "tiny, diminutive",
        "huge": "huge, giant",
    }.items()
    for phrase in _phrases(text)
}

#: Paris types by their descriptions; by their names, see `PARIS`.
TYPES: dict[Phrase, str] = {
    phrase: kind
    for kind, text in {
        "is": "sessile",
        "ip": "pedunculated, stalked",
        "iia": "flat, flat elevated, slightly elevated, slightly elevated flat",
    }.items()
    for phrase in _phrases(text)
}
PARIS = frozenset({"is", "ip", "isp", "iia", "iib", "iic", "iii"})

PROCEDURES: dict[Phrase, str] = {
    phrase: procedure
    for procedure, text in {
        "colonoscopy": "colonoscopy, colonoscopic, colonoscopies",
        "gastroscopy": "gastroscopy, gastroscopic, gastroscopies, upper endoscopy, "
        "upper gi endoscopy, upper gastrointestinal endoscopy, oesophagogastroduodenoscopy, "
        "esophagogastroduodenoscopy, egd, ogd",
        "sigmoidoscopy": "sigmoidoscopy, sigmoidoscopic",
        "capsule endoscopy": "capsule endoscopy",
    }.items()
    for phrase in _phrases(text)
}

#: These deny what comes after them …
DENIALS = frozenset(
    _phrases(
        "no, not, without, absence of, lack of, lacking, lacks, devoid of, "
        "neither, exclude, excludes, excluding, omit, omits, omitting, never, none"
    )
)
FREE_OF = frozenset(_phrases("free of, free from"))
#: … and these what comes before.
AFTERWARDS = frozenset(
    _phrases(
        "absent, missing, free, not visible, not seen, not be seen, not present, not be present, "
        "not be visible, not shown, not be shown, not appear, not included, not found, not be found"
    )
)
#: A denial reaches no further than one of these.
CONTRASTS = frozenset({"but", "yet", "while", "whereas", "with", "although", ".", ";", ":"})

_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
NUMBERS = {word: number for number, word in enumerate(_NUMBERS.split(" "))}
#: Phrase → a count of its own.
COUNTS: dict[Phrase, str] = {
    **dict.fromkeys(_phrases("single, sole, lone"), "1"),
    **dict.fromkeys(_phrases("several, multiple, a few, more than one, a number of"), "2+"),
}
EXACTLY = frozenset(_phrases("exactly, only, just, precisely, a total of, total of"))

#: Word → row or column of the nine fields of an image.
DIRECTIONS = {
    "upper": "upper",
    "top": "upper",
    "lower": "lower",
    "bottom": "lower",
    "left": "left",
    "right": "right",
    **dict.fromkeys(("center", "centre", "central", "middle", "mid"), "center"),
}
SIDES = frozenset({"side", "edge", "part"})

#: Comparisons before a size in mm …
COMPARISONS: dict[Phrase, str] = {
    phrase: sign
    for sign, text in {
        "<": "<, less than, smaller than, under, below",
        ">": ">, more than, larger than, greater than, bigger than, over, above, exceeding",
        "<=": "<=, at most, up to, no more than, no larger than, not more than",
        ">=": ">=, at least, no less than, no smaller than, not less than",
    }.items()
    for phrase in _phrases(text)
}
#: … and after it.
COMPARED: dict[Phrase, str] = {
    **dict.fromkeys(_phrases("or less, or smaller, or under"), "<="),
    **dict.fromkeys(_phrases("or more, or larger, or over"), ">="),
}
MILLIMETRES = {
    **dict.fromkeys(("mm", "millimetre", "millimetres", "millimeter", "millimeters"), 1),
    **dict.fromkeys(("cm", "centimetre", "centimetres", "centimeter", "centimeters"), 10),
}

ARTICLES = frozenset({"a", "an", "some"})
DEFINITE = frozenset({"the", "this", "that", "these", "those", "its", "their", "each"})

#: Words that change nothing of what is to be seen.
NEUTRAL = _set(
    # asking for an image
    "generate create produce make show display depict render give draw provide present "
    "synthesise synthesize illustrate generated created produced please me "
    "image picture photo photograph view frame scene still shot snapshot visual "
    "endoscopic endoscopy endoscopically gastrointestinal gi tract medical realistic clear "
    # having something in it
    "containing contain contains contained include includes including included feature "
    "features featuring shows showing shown depicts depicting depicted displays displaying "
    "displayed illustrates illustrating presents presenting have has having holds captures "
    "capturing captured taken recorded obtained acquired during visible seen see appears "
    "appear appearing evidence sign signs "
    "is are was were be being been do does did can could should must there it "
    "they which where what whose who "
    "from of in on at to into within inside as for also any individual separate distinct "
    # leading up to a place, colour, size or type
    "located lies lie lying situated sits sit sitting found positioned placed reaches "
    "reaching reach extends extending occupying corner corners quadrant side edge part area "
    "areas region regions zone position positions location "
    "locations color colors colour colours colored coloured colouring coloring hue hues "
    "size sizes sized measures measure measuring diameter across type types class classified "
    "classification category kind procedure procedures examination exam"
)

JOINS = frozenset({"and", "or", "nor", "/", ",", "&", "+"})

TYPOS = {"rigth": "right"}
