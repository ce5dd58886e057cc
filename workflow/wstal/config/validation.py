"""Reads every YAML file under workflow/config, lays changes over and checks the result.

First stands what a feature recipe may say. The catalog keeps the result from run to run
(`wstal.config.catalog`), because this imports every settings class, and with them the networks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from annotated_types import Gt

from wstal.base.errors import WstalError
from wstal.base.settings import NonNegative, SettingsError, field_types, from_plain
from wstal.config.check import checked_tree, meaning
from wstal.config.installation import OWN_CONFIG
from wstal.config.layers import (
    FIT,
    IMPORTED,
    NOT_A_RUN,
    OVERLAYS,
    expect_mapping,
    merged,
    protocols_of,
    read_yaml,
    resolve_run,
    settings_source,
    split_run,
    tables_of,
    yaml_files,
)
from wstal.config.own_schedule import LabelCounts, check_fit, fitted
from wstal.config.protocols import checked_protocol
from wstal.config.stages import ADDED, STAGES, recipe_grid, section_of
from wstal.datasets.kinds import DatasetSettings, Kind, check_choices, label_choices
from wstal.demo.simulate import SimulatedSettings, SimulateSettings
from wstal.evaluate.protocols import Checkpoint
from wstal.features.backbone_stage import BackboneSettings
from wstal.features.i3d_stage import I3DSettings
from wstal.features.importers.published import ImportSettings
from wstal.features.rows import Resample
from wstal.features.vggish_stage import VggishSettings
from wstal.flow.algorithm import FlowSettings
from wstal.media.frame_stage import FrameSettings
from wstal.media.sound import AudioSettings
from wstal.methods.contract import TrainingHalf, localization_half, training_half
from wstal.networks.backbone import BackboneEntry
from wstal.networks.backbones import FROM_ENTRY, NOT_OF_KEY
from wstal.tables.paper import TableSettings
from wstal.train.data import DataSettings
from wstal.train.loop import TrainSettings

NETWORKS = ("i3d_rgb", "i3d_flow", "vggish")  # stages of networks that are no backbones
WITHOUT_NETWORK = ("simulated", "imported")  # makers of streams that are no networks
# Settings that came later and ask for nothing where they are null or false: left out there, so that
# finished runs, which were trained without them, have the same config.
LATER = (("data", "length_seconds"), ("data", "fit_length"), ("train", "lr_width"))


@dataclass(frozen=True)
class RecipeSettings:
    """A feature recipe, without the sections that are there only where they are named."""

    # Streams of features.h5 and the stage that makes each: i3d_rgb, i3d_flow, vggish, simulated,
    # imported or a backbone.
    streams: Mapping[str, str] = field(
        default_factory=lambda: {"rgb": "i3d_rgb", "flow": "i3d_flow", "audio": "vggish"}
    )
    dtype: Literal["float32", "float16"] = "float32"  # of features.h5
    # The stream whose rows all others get in features.h5; null: all have the same window, stride...
    grid: str | None = None
    # How: nearest, the row whose middle is nearest | mean of the rows, weighted by their overlap
    resample: Resample = "nearest"
    # Networks of imported streams, for the notes of tables; of others it is the stage's.
    networks: Mapping[str, str] = field(default_factory=dict)
    simulated: SimulatedSettings | None = None
    frames: FrameSettings = FrameSettings()
    audio: AudioSettings = AudioSettings()
    flow: FlowSettings = FlowSettings()
    i3d: I3DSettings = I3DSettings()
    vggish: VggishSettings = VggishSettings()


def checked_recipe(
    name: str, value: Mapping[str, Any], source: str, backbones: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a recipe's complete plain tree; raise WstalError for what is wrong.

    `backbones` are the checked entries. The section of one in the tree has its entry, and takes
    from it what it leaves out; a stream's backbone needs no section.
    """
    renamed = (*ADDED, *backbones)
    value = {k: _renamed(v, f"{source}: {k}") if k in renamed else v for k, v in value.items()}
    streams = value.get("streams")
    named = list(streams.values()) if isinstance(streams, Mapping) else []
    sections = {each: {} for each in named if isinstance(each, str) and each in backbones}
    sections |= {key: part for key, part in value.items() if key in backbones}
    base = {key: part for key, part in value.items() if key not in ("import", *backbones)}
    tree = checked_tree(RecipeSettings, base, source, others=["import", *backbones])
    makers = (*NETWORKS, *WITHOUT_NETWORK, *backbones)
    for stream, stage in tree["streams"].items():
        if stage not in makers:
            raise WstalError(f"{source}: streams.{stream}: {_unknown(stage, makers)}")
    if "import" in value:
        tree["import"] = checked_tree(ImportSettings, value["import"], source, where="import")
    for key, part in sections.items():
        tree[key] = _backbone_section(key, part, source, backbones[key])
    check_recipe(name, tree)
    return tree


def _renamed(section: Any, where: str) -> Any:
    """Return a section of a recipe with `window` by its name, which used to be `snippet`."""
    if not isinstance(section, Mapping) or "snippet" not in section:
        return section
    if "window" in section:
        raise WstalError(f"{where}: snippet is the former name of window; give window alone")
    return {"window" if key == "snippet" else key: each for key, each in section.items()}


def backbone_recipe(
    name: str, given: Mapping[str, Any], weights: str | None, backbones: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the recipe of one stream by the backbone `name`, without a file of its own.

    `given` are keys of its section (window, precision, ...), `weights` replaces those of its entry.
    `timm:MODEL` is any model of timm. Raises WstalError for an unknown backbone, naming the
    nearest, and for what is wrong with them.
    """
    library, _, model = name.rpartition(":")
    if library == "timm":
        from wstal.networks.backbones.timm import entry_of  # imports timm

        name = "timm_" + re.sub(r"[^a-z0-9]+", "_", model.lower())
        backbones = {name: _backbone(name, entry_of(model), f"timm's {model}")}
    elif name not in backbones:
        raise WstalError(
            f"--backbone: {_unknown(name, backbones)}; `wstal backbones` lists all, and timm:MODEL "
            "is any model of timm"
        )
    entry, section = backbones[name], dict(given) | ({"weights": weights} if weights else {})
    stream = "audio" if entry["input"] == "sound" else "rgb"
    stream = "flow" if entry["input"] == "flow" else stream
    value = {"streams": {stream: name}, name: section}
    return checked_recipe(name, value, f"--backbone {name}", backbones)


def _backbone_section(
    name: str, given: Any, source: str, entry: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the complete section of a backbone, with its entry."""
    base = {key: entry[key] for key in FROM_ENTRY}
    base |= {"window": entry["frames"]} if entry["frames"] else {}
    base |= {"weights": entry["weights"] or f"results/weights/{name}"}
    base |= {"entry": {key: value for key, value in entry.items() if key not in NOT_OF_KEY}}
    section = merged(base, expect_mapping(given, f"{source}: {name}"))
    tree = checked_tree(BackboneSettings, section, source, where=name)
    entry = {key: value for key, value in tree["entry"].items() if key not in NOT_OF_KEY}
    return tree | {"entry": entry}


def check_recipe(name: str, recipe: Mapping[str, Any]) -> None:
    """Raise WstalError for a recipe that would fail later, or mislead.

    Without the section that one of its streams needs; with streams of different rows, unless
    `grid` names the one that counts; or with a name that is silent about ten crops: numbers made
    with them are never taken for others.
    """
    for stream, stage in recipe.get("streams", {}).items():
        if stage not in WITHOUT_NETWORK and section_of(stage) not in recipe:
            raise WstalError(
                f"recipe {name}: the stream {stream} is made by {stage}, which needs a section "
                f"`{section_of(stage)}:`"
            )
    made = [stage for stage in recipe.get("streams", {}).values() if stage in WITHOUT_NETWORK]
    if made and recipe.get("grid"):
        raise WstalError(
            f"recipe {name}: grid: {recipe['grid']}: its streams are {made[0]}, not made from "
            "videos, and share their rows already; remove `grid:`"
        )
    if recipe.get("streams") and not made:
        try:
            recipe_grid(recipe)
        except WstalError as error:
            raise WstalError(f"recipe {name}: {error}") from error
    for stage in recipe.get("streams", {}).values():
        sees = recipe.get(stage, {}).get("entry", {}).get("input") if stage in recipe else ""
        if sees == "flow" and not recipe["flow"]["cache_flow"]:
            raise WstalError(
                f"recipe {name}: flow.cache_flow is false, but {stage} reads flow from files; set "
                "`cache_flow: true`"
            )
    ten = recipe.get("i3d", {}).get("crop_mode") == "ten"
    if ten != ("tencrop" in name):
        mode, remedy = ("ten", "with") if ten else ("centre", "without")
        raise WstalError(
            f"recipe {name}: i3d.crop_mode is {mode}; give it a name {remedy} `tencrop` in it, "
            "or change the mode"
        )


KINDS = ("backbones", "datasets", "features", "methods", "protocols", "tables")
GIVEN = "--config or --configfile"
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_RESERVED = {"tables", "figures", "logs", "benchmarks", "report", "weights"}
_PLACES = ("videos", "labels", "segments", "features")  # paths that a dataset's YAML names
_MARKUP = re.compile("<(/?script|!--)", re.IGNORECASE)
_DIGEST = re.compile(r"[0-9a-f]{16}\Z")

RENDERED = ("demo", "simulated")  # kinds that make their own data
UNREAD = {  # settings that name a path, by kind: where they are not read, they would be ignored
    "thumos14": ("segments",),
    "activitynet": ("segments",),
    "ave": ("segments",),
    "demo": ("videos", "labels", "segments"),
    "simulated": ("videos", "segments", "features"),
}

Trees = dict[str, dict[str, Any]]  # of one kind, by name


@dataclass(frozen=True)
class TopSettings:
    """Top layer of the configuration: workflow/config/default.yaml, --configfile and --config."""

    # Files that a bare `snakemake` makes.
    targets: tuple[str, ...] = ("results/demo/co2net_map.csv",)
    # Where networks run. auto: a GPU where there is one; cuda: refuse to run without one.
    device: Literal["auto", "cuda", "cpu"] = "auto"
    # GB of the disk that jobs leave free; results of a job that would go below it are not written.
    min_free: NonNegative = 1.0
    # GiB that a job on videos may take for them; null: half of the machine's memory. A video that
    # needs more becomes broken. No result depends on it.
    max_memory: Annotated[float, Gt(0)] | None = None
    # What training logs to: csv is log.csv alone, tensorboard adds the same as its files.
    log: Literal["csv", "tensorboard"] = "csv"
    # New code digest: the older digest whose results it keeps.
    accept_code: Mapping[str, str] = field(default_factory=dict)
    backbones: Mapping[str, Any] = field(default_factory=dict)  # laid over backbones/*.yaml
    datasets: Mapping[str, Any] = field(default_factory=dict)  # laid over datasets/*.yaml
    features: Mapping[str, Any] = field(default_factory=dict)  # laid over features/*.yaml
    methods: Mapping[str, Any] = field(default_factory=dict)  # laid over methods/*.yaml
    protocols: Mapping[str, Any] = field(default_factory=dict)  # laid over protocols/*.yaml
    tables: Mapping[str, Any] = field(default_factory=dict)  # laid over tables/*.yaml

    def __post_init__(self) -> None:
        for digest in self.accept_code.values():
            if not _DIGEST.match(digest):
                raise SettingsError(f"accept_code: {digest!r} is not a digest of 16 digits and a-f")


def read_configuration(
    folder: Path, overrides: Mapping[str, Any], own: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the checked trees of every kind by name, `top`, and `sources`: each one's file.

    `overrides` are laid over: {kind: {name: {...}}}; `own` is what of them wstal.yaml says, for the
    names of sources. Raises WstalError for the first mistake.
    """
    content: dict[str, Any] = {"sources": {}, "changed": {}}
    for kind in KINDS:
        read = {
            name: (path, value)
            for path in yaml_files(folder / kind)
            for name, value in _contents(kind, path).items()
        }
        whole = overrides.get(kind) or {}
        changes = expect_mapping(whole, f"{given_in(whole, own, kind)}, {kind}")
        given = {}
        for name in [*read, *(name for name in changes if name not in read)]:
            change = changes.get(name) or {}
            where = given_in(change, own, kind, name)
            change = expect_mapping(change, f"{where}, {kind}.{name}")
            path, base = read.get(name, (f"{where}, {kind}.{name}", {}))
            source = f"{path} ({name})" if name != Path(path).stem and base else str(path)
            source += f" under {where} ({kind}.{name})" if base and change else ""
            content["sources"][f"{kind}/{name}"] = source
            _check_name(name, kind, source)
            given[name] = (merged(base, change), source)
            if kind == "methods" and (top := _without(change, NOT_A_RUN)):
                content["changed"][name] = top
        if kind == "datasets":
            given = {name: (_with_base(name, given), given[name][1]) for name in given}
        content[kind] = {
            name: _checked(kind, name, tree, source, content.get("backbones", {}))
            for name, (tree, source) in given.items()
        }
    for kind in KINDS:
        for name, tree in content[kind].items():
            _refuse_markup(tree, content["sources"][f"{kind}/{name}"])
    _check_references(content)
    check_entries(content["datasets"], content["features"])
    content["label_choices"] = {
        name: label_choices(dataset["kind"], dataset["choices"])
        for name, dataset in content["datasets"].items()
    }
    # Not left in the recipes, whose every key is part of what makes their features.
    content["networks"] = {
        name: _networks(recipe, recipe.pop("networks"))
        for name, recipe in content["features"].items()
    }
    top = {key: value for key, value in overrides.items() if key not in KINDS}
    mine = {key: value for key, value in top.items() if given_in(value, own, key) == OWN_CONFIG}
    checked_tree(TopSettings, mine, OWN_CONFIG)  # by itself, so that the rest is given elsewhere
    both = any(key in top and key not in mine for key in own or {})
    content["top"] = checked_tree(TopSettings, top, f"{OWN_CONFIG}, {GIVEN}" if both else GIVEN)
    content["top"] |= {kind: overrides.get(kind) or {} for kind in KINDS}
    return content


def given_in(value: Any, own: Mapping[str, Any] | None, *keys: str) -> str:
    """Return where the value under `keys` of the changes was given: wstal.yaml, options or both."""
    part: Any = own
    for key in keys:
        part = part.get(key) if isinstance(part, Mapping) else None
    if part is None:
        return GIVEN
    return OWN_CONFIG if part == value else f"{OWN_CONFIG}, {GIVEN}"


def _with_base(name: str, datasets: Mapping[str, tuple[dict[str, Any], str]]) -> dict[str, Any]:
    """Return a dataset's YAML over that of the dataset which its `like:` names, if it has one."""
    own, source = datasets[name]
    if "like" not in own:
        return own
    bases = {key: tree for key, (tree, _) in datasets.items() if "like" not in tree}
    if str(own["like"]) not in bases:
        raise WstalError(f"{source}: like: {_unknown(own['like'], bases)}")
    return merged(bases[str(own["like"])], {key: own[key] for key in own if key != "like"})


STAGE_NETWORKS = {"i3d_rgb": "I3D", "i3d_flow": "I3D", "vggish": "VGGish"}


def _networks(recipe: Mapping[str, Any], named: Mapping[str, str]) -> dict[str, str]:
    """Return the network behind each stream of a recipe, `untrained` where it has no weights."""
    names = {}
    for stream, stage in recipe["streams"].items():
        name = named.get(stream) or STAGE_NETWORKS.get(stage, stage)
        weights = recipe.get(section_of(stage), {}).get("weights")
        weights = weights.get(stream) if isinstance(weights, Mapping) else weights
        names[stream] = f"untrained {name}" if weights == "untrained" else name
    return names


def _refuse_markup(value: Any, where: str) -> None:
    """Raise WstalError for text that would end a script element: Snakemake's report has one."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            _refuse_markup(key, where)
            _refuse_markup(part, f"{where}: {key}")
    elif isinstance(value, list | tuple):
        for part in value:
            _refuse_markup(part, where)
    elif isinstance(value, str) and (found := _MARKUP.search(value)):
        raise WstalError(
            f"{where}: {value!r} contains {found[0]!r}, which a browser would take for a part of "
            "the report; write it without `<`"
        )


def check_run(method: str, config: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the complete config of a run; raise WstalError for what is wrong."""
    try:
        training, localization = training_half(method), localization_half(method)
    except WstalError as error:
        raise WstalError(f"{source}: {error}") from error
    sections = {
        "loss": training.loss_settings,
        "data": DataSettings,
        "train": TrainSettings,
        "localize": localization.settings,
    }
    if config.get("method") != method:
        found = config.get("method")
        raise WstalError(f"{source}: method: expected {method}, the file's name, found {found!r}")
    top = {key: value for key, value in config.items() if key not in ("method", *sections)}
    others = ("method", *sections)
    tree = {"method": method} | checked_tree(training.run_settings, top, source, others=others)
    for name, cls in sections.items():
        tree[name] = checked_tree(cls, config.get(name, {}), source, name)
    try:
        _check_together(training, tree)
    except SettingsError as error:
        raise WstalError(f"{source}: {error}") from error
    for section, key in LATER:
        if not tree[section][key]:
            del tree[section][key]
    return tree


_TOGETHER: set[str] = set()  # what `_check_together` found right


def _check_together(training: TrainingHalf, tree: Mapping[str, Any]) -> None:
    """Raise SettingsError if a run's settings contradict each other."""
    known = repr(_without(tree, ("train", "localize")))
    if known not in _TOGETHER:
        run, loss = training.read_run(tree), from_plain(training.loss_settings, tree["loss"])
        training.check(run, tree["data"]["length"], loss, tree["data"]["length_seconds"])
        _TOGETHER.add(known)


def _without(tree: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: value for key, value in tree.items() if key not in keys}


def run_names(methods: Mapping[str, Any]) -> list[str]:
    """Return the names of all runs: every method and every variant of it."""
    return [
        name
        for method, model in methods.items()
        for name in [method, *(f"{method}-{variant}" for variant in model.get("variants", {}))]
    ]


def _contents(kind: str, path: Path) -> Trees:
    content = read_yaml(path)
    if kind == "backbones":  # a file is a family of them
        return content
    if kind == "tables":
        return tables_of(path, content)
    return protocols_of(path, content) if kind == "protocols" else {path.stem: content}


def _checked(
    kind: str, name: str, value: dict[str, Any], source: str, backbones: Mapping[str, Any]
) -> dict[str, Any]:
    match kind:
        case "backbones":
            return _backbone(name, value, source)
        case "datasets":
            return _made(_from_home(checked_tree(DatasetSettings, value, source)), source)
        case "features":
            return checked_recipe(name, value, source, backbones)
        case "protocols":
            return checked_protocol(name, value, source)
        case "tables":
            return _without_null(checked_tree(TableSettings, value, source))
    return _method(value, source)


def _backbone(name: str, value: dict[str, Any], source: str) -> dict[str, Any]:
    if name in (*STAGES, *WITHOUT_NETWORK, *field_types(RecipeSettings), "import"):
        raise WstalError(f"{source}: {name!r} is the name of a stage or section; choose another")
    return checked_tree(BackboneEntry, value, source)


def _method(value: dict[str, Any], source: str) -> dict[str, Any]:
    """Return a method's YAML with its sections checked for their form; runs are checked later."""
    # A section whose lines are all commented out is null.
    value = {key: part for key, part in value.items() if key not in NOT_A_RUN or part is not None}
    for key in (*OVERLAYS, "paper_protocols"):
        for part, overlay in expect_mapping(value.get(key, {}), f"{source}: {key}").items():
            if key in OVERLAYS:
                expect_mapping(overlay or {}, f"{source}: {key}.{part}")
    for variant in value.get("variants", {}):
        _check_name(variant, "variants", source)
    return value


def _from_home(dataset: dict[str, Any]) -> dict[str, Any]:
    """Return a dataset with `~/` in its paths as a shell reads it; inside quotes no shell does."""
    paths = {key: dataset[key] and _home(dataset[key]) for key in _PLACES}
    files = {
        "proposals": {name: _home(path) for name, path in dataset["proposals"].items()},
        "checkpoints": {run: [*map(_home, each)] for run, each in dataset["checkpoints"].items()},
    }
    return dataset | paths | files


def _made(dataset: dict[str, Any], source: str) -> dict[str, Any]:
    """Return a dataset with the numbers of what it renders or simulates read from text."""
    render = {
        key: meaning(value) if isinstance(value, str) else value
        for key, value in dataset["render"].items()
    }
    if not dataset["simulate"]:
        return dataset | {"render": render}
    section = checked_tree(SimulateSettings, dataset["simulate"], source, "simulate")
    return dataset | {"render": render, "simulate": _without_null(section)}


def _home(path: str) -> str:
    return str(Path(path).expanduser()) if path.startswith("~/") else path


def _without_null(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {key: _without_null(part) for key, part in value.items() if part is not None}


def _check_references(content: Mapping[str, Any]) -> None:
    """Names that datasets and methods refer to must exist, and every overlay must be valid."""
    sources, recipes, protocols = (content[k] for k in ("sources", "features", "protocols"))
    for name, dataset in content["datasets"].items():
        for key, known in (("recipe", recipes), ("protocol", protocols)):
            if dataset[key] not in known:
                source = sources[f"datasets/{name}"]
                raise WstalError(f"{source}: {key}: {_unknown(dataset[key], known)}")
        if dataset["settings"] and dataset["settings"] not in content["datasets"]:
            unknown = _unknown(dataset["settings"], content["datasets"])
            raise WstalError(f"{sources[f'datasets/{name}']}: settings: {unknown}")
    for name, protocol in protocols.items():
        for kind in protocol["kinds"]:
            if kind not in get_args(Kind):
                source = sources[f"protocols/{name}"]
                raise WstalError(f"{source}: kinds: {_unknown(kind, get_args(Kind))}")
    runs = run_names(content["methods"])
    for method, model in content["methods"].items():
        _check_method(method, model, content, runs)
    imported = [run for run in runs if split_run(run)[1] == IMPORTED]
    for name, dataset in content["datasets"].items():
        for run in dataset["checkpoints"]:
            if run not in imported:
                unknown = _unknown(run, imported)
                raise WstalError(f"{sources[f'datasets/{name}']}: checkpoints: {unknown}")
    if both := set(runs) & set(recipes):
        raise WstalError(f"{sorted(both)} name a feature recipe and a run; rename one of them")


def _check_method(
    method: str, model: Mapping[str, Any], content: Mapping[str, Any], runs: list[str]
) -> None:
    source = content["sources"][f"methods/{method}"]
    rule = model.get("paper_checkpoint", "last")
    if rule not in get_args(Checkpoint):
        raise WstalError(f"{source}: paper_checkpoint: {_unknown(rule, get_args(Checkpoint))}")
    for dataset, protocol in model.get("paper_protocols", {}).items():
        if protocol not in content["protocols"]:
            raise WstalError(f"{source}: paper_protocols.{dataset}: no protocol {protocol!r}")
    for dataset, recipe in model.get("paper_features", {}).items():
        if recipe not in content["features"]:
            unknown = _unknown(recipe, content["features"])
            raise WstalError(f"{source}: paper_features.{dataset}: {unknown}")
    for variant in model.get("gap", {}):
        if variant not in (model.get("variants") or {}):
            raise WstalError(f"{source}: gap: {_unknown(variant, model.get('variants') or {})}")
    known = {"datasets": content["datasets"], "recipes": content["features"]}
    for overlay, names in known.items():
        for name in model.get(overlay) or {}:
            if name not in names:
                raise WstalError(f"{source}: {overlay}: {_unknown(name, names)}")
    for dataset in content["datasets"]:
        settings_source(model, dataset, content["datasets"])
    if model.get(FIT) is not None:
        check_fit(model[FIT], source)
        fit = fitted(model, LabelCounts(100, 10, True), {}, action_share=0.3)
        check_run(method, merged(resolve_run(model, "", None), fit), f"{source} ({FIT})")
    variants = [None, *(model.get("variants") or {})]
    for dataset in ["", *(model.get("datasets") or {})]:
        for variant in variants:
            where = f"{source} ({variant or method} on {dataset or 'any dataset'})"
            check_run(method, resolve_run(model, dataset, variant), where)
    for variant in variants:
        for key, run in _runs_named(resolve_run(model, "", variant)):
            if run not in runs:
                raise WstalError(f"{source}: {key}: {_unknown(run, runs)}")
            if key == "teachers" and (parts := _joined(run, content["methods"])):
                raise WstalError(
                    f"{source}: teachers: {run} joins the proposals of {' and '.join(parts)} and "
                    "does not score training videos; name one of those"
                )
    for recipe in model.get("recipes") or {}:
        check_run(method, resolve_run(model, "", None, recipe), f"{source} (recipes.{recipe})")


def check_entries(datasets: Mapping[str, Any], recipes: Mapping[str, Any]) -> None:
    """Raise WstalError for a dataset whose `source` its other keys contradict, or whose kind does
    not read a path or know a choice that it names, or a recipe that lacks what its streams need.
    """
    imported = [name for name, recipe in recipes.items() if "import" in recipe]
    for name, dataset in datasets.items():
        source, recipe, kind = dataset["source"], dataset["recipe"], dataset["kind"]
        try:
            check_choices(kind, dataset["choices"] or {})
        except WstalError as error:
            raise WstalError(f"dataset {name}: {error}") from None
        for key in UNREAD.get(kind, ()):
            if dataset[key] is not None:
                raise WstalError(
                    f"dataset {name}: `{key}:` names {dataset[key]}, which kind {kind} does not "
                    f"read; remove `{key}:` (null), or choose the kind that reads it"
                )
        if source != "videos" and kind in RENDERED:
            raise WstalError(f"dataset {name}: kind {kind} makes its own data; remove `source:`")
        if source == "features" and recipe not in imported:
            raise WstalError(
                f"dataset {name}: source is features, but its recipe {recipe} makes them from "
                f"videos; set `recipe:` to one that imports: {', '.join(imported)}"
            )
        if source == "proposals" and not dataset["proposals"]:
            raise WstalError(
                f"dataset {name}: source is proposals; name them: "
                "`proposals: {their_name: /path/to/detections.json}`"
            )


def _runs_named(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (key, run) for every other run that a run's config builds on."""
    named = [(key, config.get(key)) for key in ("scores_from", "init_from")]
    named += [("teachers", run) for run in config.get("teachers") or ()]
    named += [("fuse_from", run) for run in (config.get("fuse_from") or {}).values()]
    return [(key, run) for key, run in named if run]


def _joined(run: str, methods: Mapping[str, Any]) -> list[str]:
    """Return the runs whose proposals a run joins; none if it is trained."""
    method, variant = split_run(run)
    return list((resolve_run(methods[method], "", variant).get("fuse_from") or {}).values())


def _unknown(name: Any, known: Iterable[str]) -> str:
    near = get_close_matches(str(name), known, 3)
    return f"{name!r} is not known; nearest: {', '.join(near) or ', '.join(sorted(known))}"


def _check_name(name: Any, kind: str, source: str) -> None:
    if not _NAME.match(str(name)) or (kind == "datasets" and name in _RESERVED):
        raise WstalError(
            f"{source}: {name!r} cannot name one of the {kind}: use lower-case letters, digits "
            f"and _, a letter first, and none of {', '.join(sorted(_RESERVED))}"
        )
