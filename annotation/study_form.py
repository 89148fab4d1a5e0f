"""What a researcher fills in to make a study, and what it would take."""

from collections.abc import Mapping
from dataclasses import replace
from secrets import randbelow
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models import Count, Q, QuerySet

from annotation.drafts import change_study, create_study
from annotation.errors import StudyError
from annotation.estimates import Estimate, estimate_study
from annotation.form_style import StyledForm
from annotation.models import Reader, SavedProtocol, Study
from annotation.protocols import ProtocolError, load_protocol, presets
from annotation.real_images import BY_CAPTION, BY_FINDING, Choice
from annotation.references import references_of
from annotation.saved_protocols import protocol_of
from annotation.setting_up import choose_prompts, choose_real_images
from generation.imported_sets import imported_run
from generation.imports import ImportRefused
from generation.models import IMPORTED, Dataset, Generator, Image, Run
from generation.runs import MAX_SEED

PRESET = "preset:prompt-to-polyp"
READERS = 3
SEEDS = 10**9  # to draw one from: short enough to be copied by hand
UNLESS = "Empty: as the protocol says."


class PairsField(forms.ModelChoiceField):
    def label_from_instance(self, obj) -> str:
        return f"{obj.name} ({obj.pairs} pair{'' if obj.pairs == 1 else 's'})"


class GeneratorsField(forms.ModelMultipleChoiceField):
    imported: Mapping[int, tuple[int, int]] = {}  # by generator: prompts, images for each

    def label_from_instance(self, obj) -> str:
        if obj.pk not in self.imported:
            return f"{obj.name} ({obj.family})"
        prompts, images = self.imported[obj.pk]
        return f"{obj.name} (imported: {images} images for each of {prompts} prompts)"


class StudyForm(StyledForm):
    """The form of a new study. Whatever it takes from the database is chosen when it is checked,
    so that its errors stand at their field before anything is made."""

    title = forms.CharField(
        max_length=160, help_text="Readers see it: name no generator and no hypothesis."
    )
    protocol = forms.ChoiceField()
    prompts = PairsField(
        Dataset.objects.none(),
        to_field_name="slug",
        label="Prompts of the data set",
        empty_label="Choose…",
    )
    pairs = forms.IntegerField(
        required=False,
        min_value=1,
        label="Pairs of prompts",
        help_text="The first so many. A prompt and its rephrasing are a pair, and a case each. "
        "Empty: all, less those for practice.",
    )
    references = forms.ChoiceField(
        label="Real images",
        help_text="To compare with; none that a generator was trained on.",
    )
    match = forms.ChoiceField(
        required=False,
        choices=[
            (BY_CAPTION, "by caption"),
            (BY_FINDING, "by caption, else by finding"),
        ],
        label="Chosen for each prompt",
        help_text="Shown prompt by prompt afterwards, to be changed by hand.",
    )
    generators = GeneratorsField(
        Generator.objects.none(), to_field_name="slug", widget=forms.CheckboxSelectMultiple
    )
    images_per_set = forms.IntegerField(
        required=False, min_value=1, max_value=24, label="Images per set", help_text=UNLESS
    )
    references_per_case = forms.IntegerField(
        required=False, min_value=0, max_value=24, label="References per case", help_text=UNLESS
    )
    repeats = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=25,
        label="Repeats, % of the cases",
        help_text=UNLESS,
    )
    readers = forms.IntegerField(
        min_value=1,
        max_value=200,
        label="Readers expected",
        help_text="For the estimate alone: you invite them later.",
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=MAX_SEED - 1,
        help_text="Drawn at random. The same seed gives the same images again.",
    )
    form_key = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        user: User,
        data: Mapping[str, Any] | None = None,
        *,
        initial: Mapping[str, Any] | None = None,
        study: Study | None = None,
    ) -> None:
        """`study`: the draft that is to be changed."""
        super().__init__(data)
        self.user, self.study = user, study
        self.parts: dict[str, Any] = {}  # of the study, as far as they could be chosen
        self.datasets, self.splits = _with_pairs(), _splits()
        self.usable, imported = _generators(user)
        fields: dict[str, Any] = self.fields
        fields["prompts"].queryset = self.datasets
        fields["protocol"].choices = _protocols(user)
        fields["references"].choices = [("", "Choose…"), *self.splits]
        fields["generators"].queryset = self.usable
        fields["generators"].imported = imported
        fields["generators"].widget.attrs["class"] = "form-check-input"
        before = of_study(study) if study else {}
        self.initial = {**self._first_values(), **before, **(initial or {})}

    def _first_values(self) -> dict[str, Any]:
        """What can be chosen in one way only is chosen."""
        values: dict[str, Any] = {"protocol": PRESET, "readers": READERS, "seed": randbelow(SEEDS)}
        values["form_key"] = uuid4()
        if len(datasets := list(self.datasets[:2])) == 1:
            values["prompts"] = datasets[0].slug
        if len(self.splits) == 1:
            values["references"] = self.splits[0][0]
        return values

    @property
    def lacks(self) -> set[str]:
        """What must be there before a study can be made: prompts, references, generators."""
        there = {
            "prompts": self.datasets.exists(),
            "references": bool(self.splits),
            "generators": self.usable.exists(),
        }
        return {name for name, is_there in there.items() if not is_there}

    @property
    def only_dataset(self) -> Dataset | None:
        """The data set whose captions could become prompts, where there is one alone."""
        captioned = Dataset.objects.filter(images__isnull=False, prompts__isnull=False)
        found = list(captioned.distinct()[:2])
        return found[0] if len(found) == 1 else None

    @property
    def counts(self) -> list[forms.BoundField]:
        """Fields with a number each."""
        names = ("images_per_set", "references_per_case", "repeats", "readers", "seed")
        return [self[name] for name in names]

    # What the study would be

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        try:
            self._choose_protocol(data)
            field = "pairs"
            self._choose_prompts(data)
            field = "generators"
            self._check_imported(data)
            field = "references"
            self._choose_real_images(data)
        except ProtocolError as error:
            self.add_error("protocol", str(error))
        except StudyError as error:
            self.add_error(field, str(error))
        return data

    def _choose_protocol(self, data: Mapping[str, Any]) -> None:
        protocol = protocol_of(*data.get("protocol", ":").split(":", 1), user=self.user)
        if protocol is None:
            return
        names = ("images_per_set", "references_per_case")
        changes = {name: data[name] for name in names if data.get(name) is not None}
        if data.get("repeats") is not None:
            changes["repeats"] = data["repeats"] / 100
        self.parts["protocol"] = replace(protocol, **changes)

    def _choose_prompts(self, data: Mapping[str, Any]) -> None:
        if "protocol" not in self.parts or not data.get("prompts") or "pairs" not in data:
            return
        protocol = self.parts["protocol"]
        prompts, practice = choose_prompts(
            data["prompts"], pairs=data["pairs"], practice=protocol.practice
        )
        self.parts |= {
            "protocol": replace(protocol, practice=len(practice)),
            "prompts": prompts,
            "practice": practice,
        }

    def _check_imported(self, data: Mapping[str, Any]) -> None:
        """Every one that lacks images says what it lacks."""
        if "prompts" not in self.parts:
            return
        for generator in data.get("generators") or ():
            if generator.can_sample:
                continue
            try:
                imported_run(
                    generator=generator,
                    prompts=[*self.parts["prompts"], *self.parts["practice"]],
                    images_per_set=self.parts["protocol"].images_per_set,
                    user=self.user,
                )
            except ImportRefused as error:
                self.add_error("generators", str(error))

    def _choose_real_images(self, data: Mapping[str, Any]) -> None:
        if "prompts" not in self.parts or not data.get("references") or "seed" not in data:
            return
        slug, split = data["references"].rsplit(":", 1)
        references, hidden = choose_real_images(
            self.parts["protocol"],
            [*self.parts["prompts"], *self.parts["practice"]],
            dataset=Dataset.objects.get(slug=slug),
            split=split,
            seed=data["seed"],
            match=data.get("match") or BY_CAPTION,
            generators=data.get("generators") or (),
            kept=self._kept(),
        )
        self.parts |= {"references": references, "hidden": hidden}

    def _kept(self) -> Choice:
        """References of the draft that stay: hands may have chosen them."""
        asked_anew = {"references", "match", "seed", "generators"} & set(self.changed_data)
        if self.study is None or asked_anew:
            return {}
        count = self.parts["protocol"].references_per_case
        wanted = {prompt.pk for prompt in [*self.parts["prompts"], *self.parts["practice"]]}
        return {
            prompt: images
            for prompt, images in references_of(self.study).items()
            if prompt in wanted and len(images) == count
        }

    @property
    def missing(self) -> list[str]:
        """What the estimate still waits for."""
        wanted = ("prompts", "references", "generators", "readers")
        return [str(self[name].label).lower() for name in wanted if not self[name].value()]

    @property
    def problems(self) -> list[str]:
        """What is wrong with what has been filled in so far."""
        return [
            str(message)
            for name, messages in self.errors.items()
            if name in self.fields and (self[name].value() or name == "pairs")
            for message in messages
        ]

    @property
    def estimate(self) -> Estimate | None:
        """Of a form with data; None as long as prompts, generators or readers are missing."""
        self.is_valid()  # or not: what is right so far counts
        generators, readers = (self.cleaned_data.get(name) for name in ("generators", "readers"))
        if not ("prompts" in self.parts and generators and readers):
            return None
        parts = {name: self.parts[name] for name in ("protocol", "prompts", "practice")}
        try:
            return estimate_study(**parts, generators=list(generators), readers=readers)
        except StudyError as error:
            self.add_error("generators", str(error))
            return None

    def save(self) -> Study | None:
        """The draft, made or changed; None, with the error on top, where it can't be."""
        data = self.cleaned_data
        design = {
            **self.parts,
            "title": data["title"],
            "generators": list(data["generators"]),
            "seed": data["seed"],
        }
        try:
            if self.study:
                change_study(study=self.study, by=self.user, **design)
                return self.study
            return create_study(**design, owner=self.user, form_key=data["form_key"])
        except StudyError as error:
            self.add_error(None, str(error))
            return None
        except IntegrityError:  # the same form came at the same moment
            return Study.objects.get(owner=self.user, form_key=data["form_key"])


def like(study: Study) -> dict[str, Any]:
    """Initial values for another study with the same choices."""
    return {**of_study(study), "title": f"{study.title[:150]}, copy"}


def of_study(study: Study) -> dict[str, Any]:
    """What the form of this study would hold."""
    cases = study.cases.filter(practice=False)
    first = cases.select_related("prompt__dataset").first()
    reference = Image.objects.filter(cases__study=study).select_related("dataset").first()
    dataset = reference and reference.dataset
    return {
        "title": study.title,
        "protocol": f"study:{study.slug}",
        "prompts": first.prompt.dataset.slug if first else "",
        "pairs": cases.filter(prompt__rephrasing_of=None).count(),
        "references": f"{dataset.slug}:{reference.split}" if reference and dataset else "",
        "match": BY_CAPTION if _all_captioned(study) else BY_FINDING,
        "generators": [arm.generator.slug for arm in study.arms.all() if arm.generator],
        "readers": study.readers.exclude(state=Reader.State.REVOKED).count() or READERS,
        "seed": study.seed,
    }


def _all_captioned(study: Study) -> bool:
    """Whether each reference carries its prompt as a caption."""
    shown = references_of(study)
    captions = Image.prompts.through.objects.filter(image__cases__study=study)
    said: dict[int, set[str]] = {}
    for image, text in captions.values_list("image", "prompt__text"):
        said.setdefault(image, set()).add(text)
    return all(
        said.get(image.pk, set())
        & {prompt.text, prompt.original.text, prompt.original.reference_caption}
        for case in study.cases.select_related("prompt__rephrasing_of")
        for prompt in [case.prompt]
        for image in shown.get(prompt.pk, ())
    )


def _with_pairs() -> QuerySet[Dataset]:
    return (
        Dataset.objects.filter(prompts__rephrasing_of__isnull=False)
        .annotate(pairs=Count("prompts__rephrasing_of", distinct=True))
        .order_by("name")
    )


def _protocols(user: User) -> list[tuple[str, list[tuple[str, str]]]]:
    """What can be chosen, in groups; keys as `protocol_of` takes them."""
    groups = [
        ("With Blindread", [(f"preset:{key}", load_protocol(key).name) for key in presets()]),
        (
            "Your own",
            [(f"own:{own.pk}", own.name) for own in SavedProtocol.objects.filter(owner=user)],
        ),
        (
            "Of your studies",
            [
                (f"study:{slug}", title)
                for slug, title in Study.objects.managed_by(user)
                .real()
                .values_list("slug", "title")
            ],
        ),
    ]
    return [(name, choices) for name, choices in groups if choices]


def _splits() -> list[tuple[str, str]]:
    """Splits with real images that are not for training."""
    rows = (
        Image.objects.real()
        .exclude(split=Image.Split.TRAIN)
        .values_list("dataset__slug", "dataset__name", "split")
        .annotate(number=Count("pk"))
        .order_by("dataset__name", "split")
    )
    return [
        (f"{slug}:{split}", f"{name}: {split} ({number} image{'' if number == 1 else 's'})")
        for slug, name, split, number in rows
    ]


def _generators(user: User) -> tuple[QuerySet[Generator], dict[int, tuple[int, int]]]:
    """Those that can be sampled or whose images this user imported; and these images' numbers."""
    runs = Run.objects.owned_by(user).filter(generator__family=IMPORTED)
    rows = runs.annotate(prompts=Count("image_sets"))
    imported = {
        generator: (prompts, images)
        for generator, prompts, images in rows.values_list("generator", "prompts", "images_per_set")
    }
    return Generator.objects.filter(~Q(family=IMPORTED) | Q(pk__in=imported)), imported
