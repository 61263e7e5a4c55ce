"""What the finding labeller reads as a mention of each observation: the project's own list, from general radiology usage.

Regular expressions over lower-case text with single blanks. A rise of `PHRASES_VERSION` goes with any change here, in
`assertion` or in `findings`: it moves numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

PHRASES_VERSION = 2

OBSERVATIONS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
)
"""The 14 of CheXpert (Irvin et al., AAAI 2019, table 1), in the order of MIMIC-CXR-JPG's label file."""

_GROWN = r"(?:enlarg\w+|dilat\w+|prominen\w+|widen\w+|increased|expand\w+|large)"
_BE = r"(?:is|are|was|were|has been|have been|remains?|appears?|appearing|looks?|seems?|now)"
_HOW = r"(?:\w+ly|stable|unchanged|again|still|borderline|somewhat|more|very|to be|mild|moderate|severe|marked)"
_HEART = r"(?:heart(?: size)?|cardiac (?:silhouette|shadow|size|contours?)|cardiopericardial silhouette)"
_MEDIASTINUM = (
    r"(?:cardiomediastin\w+(?: silhouettes?| contours?)?|cardio-mediastin\w+(?: silhouettes?| contours?)?|"
    r"mediastin\w+(?: silhouettes?| contours?| structures?)?|cardiac and mediastinal (?:silhouettes?|contours?))"
)
_LUNGS = r"(?:lungs?(?: fields| bases| apices)?|lung zones|pulmonary parenchyma)"


def _is(subject: str, state: str) -> str:
    """``the heart remains mildly enlarged``."""
    return rf"{subject}(?: size)?(?: {_BE})?(?: {_HOW})*(?: in size)? {state}"


MENTIONS: Mapping[str, tuple[str, ...]] = {
    "Atelectasis": (
        r"atelecta\w+",
        r"(?:partial|complete|lobar|segmental|lobe|lung) collapse",
        r"collapse of (?:\w+ ){0,5}(?:lobe|lung)",
        r"collapsed (?:\w+ ){0,2}(?:lobe|lung)",
        r"volume loss",
        r"loss of (?:lung )?volume",
    ),
    "Cardiomegaly": (
        r"cardiomegaly",
        r"cardiac enlargement",
        r"enlargement of the (?:heart|cardiac (?:silhouette|shadow))",
        rf"{_GROWN} {_HEART}",
        _is(_HEART, _GROWN),
        rf"(?<=borderline ){_HEART}|{_HEART}(?= (?:(?:is|remains) )?borderline(?! (?:\w+ )?enlarg))",
        rf"increase in {_HEART}",
        r"cardiothoracic ratio(?: is)? (?:increased|above)",
    ),
    "Consolidation": (r"consolidat\w+", r"air bronchograms?"),
    "Edema": (
        r"o?edema(?:tous)?",
        r"(?:pulmonary |central )?(?:vascular|venous|pulmonary) congestion",
        r"congestive (?:heart )?failure",
        r"(?:heart|cardiac) failure",
        r"chf",
        r"kerley (?:[ab] )?lines?",
        r"cephali[sz]ation",
        r"(?:volume|fluid) overload",
        r"vascular redistribution",
    ),
    "Enlarged Cardiomediastinum": (
        r"(?:cardio-?)?mediastinal (?:enlargement|widening|prominence|mass)",
        rf"{_GROWN} (?:of the )?{_MEDIASTINUM}",
        _is(_MEDIASTINUM, _GROWN),
    ),
    "Fracture": (
        r"fractur\w+",
        r"broken ribs?",
        r"compression deformit\w+",
        r"(?:cortical|bony) (?:step-?off|disruption)",
    ),
    "Lung Lesion": (
        r"nodul(?:es?|ar \w+|arity)",
        r"(?<!mediastinal )(?<!breast )(?<!calcified )mass(?:es|-like)?",
        r"granulomas?",
        r"(?:lung|pulmonary|parenchymal|cavitary|metastatic) lesions?",
        r"metastas[ei]s",
        r"neoplas\w+",
        r"tumou?rs?",
        r"(?:lung |bronchogenic )?(?:carcinoma|malignancy|cancer)",
        r"cavit(?:y|ies|ation)",
    ),
    "Lung Opacity": (
        r"opaci\w+",
        r"infiltrat\w+",
        r"air ?-?space (?:disease|process|abnormalit\w+)",
        r"(?:increased|patchy|hazy|focal|abnormal) densit\w+",
        r"densities",
        r"ground[- ]glass",
        r"(?:interstitial|reticular|reticulonodular|bronchovascular|peribronchial) "
        r"(?:markings?|pattern|changes?|prominence|thickening|disease|process|abnormalit\w+)",
        r"(?:increased|prominent|coarse\w*) (?:lung |pulmonary )?(?:interstitial )?markings",
        r"haziness",
    ),
    "Pleural Effusion": (
        r"(?:pleural |parapneumonic |subpulmonic |bilateral |small |large |moderate |left |right )?effusions?",
        r"pleural fluid",
        r"fluid in the (?:pleural space|fissures?|major fissure|minor fissure)",
        r"ha?emothorax",
        r"hydropneumothorax",
        r"hydrothorax",
        r"empyema",
        r"blunting of the (?:\w+ ){0,3}(?:costophrenic|sulc\w+|cp )",
        r"costophrenic (?:angle |sul\w+ )?(?:is |are )?blunt\w*",
        r"blunted (?:\w+ ){0,2}costophrenic",
    ),
    "Pleural Other": (
        r"pleural(?:-| )?(?:parenchymal )?(?:\w+ )?(?:thicken\w+|scar\w*|plaques?|calcification\w*|fibrosis)",
        r"thicken\w+ of the (?:\w+ )?pleura",
        r"(?:apical|biapical) (?:pleural )?(?:thicken\w+|capp?(?:ing)?|scar\w*)",
        r"fibrothorax",
        r"pleural (?:mass|abnormalit\w+|disease)",
    ),
    "Pneumonia": (
        r"(?:broncho|pleuro)?pneumonias?",
        r"pneumonitis",
        r"(?<!granulomatous )infect(?:ion|ious)(?: process| etiology| infiltrate)?",
        r"pneumonic \w+",
    ),
    "Pneumothorax": (r"(?:hydro)?pneumothora(?:x|ces)", r"pneumothoraces"),
    "Support Devices": (
        r"(?:central|picc|venous|iv|jugular|subclavian|arterial|dialysis) (?:venous )?(?:lines?|catheters?|access)",
        r"picc",
        r"catheters?",
        r"(?:endotracheal|tracheostomy|nasogastric|orogastric|enteric|feeding|thoracostomy|drainage|dobbhoff|ng|og|et) tubes?",
        r"tracheostomy",
        r"(?:chest )?tubes?",
        r"pacemakers?",
        r"pacer",
        r"pacing (?:wires?|leads?)",
        r"(?:aicd|icd|defibrillators?)",
        r"(?:port-?a-?cath|mediport|chest port|infusion port|portacath|porta-cath)",
        r"swan-? ?ganz",
        r"sternotomy(?: wires?| sutures)?",
        r"sternal wires?",
        r"(?:surgical )?(?:clips?|sutures?|staples?)",
        r"(?:prosthetic|mechanical|artificial) (?:heart |aortic |mitral )?valves?",
        r"valve (?:replacement|prosthesis)",
        r"stents?",
        r"(?:orthopedic |spinal )?(?:hardware|prosthes[ie]s|arthroplasty)",
        r"stimulator",
        r"(?:monitoring|support) (?:devices?|apparatus|equipment)",
        r"(?:leads?|wires?)",
    ),
}

_NORMAL = (
    r"(?:normal|unremarkable|within (?:normal limits|limits of normal)|not (?:significantly )?(?:enlarged|widened|dilated)|"
    r"nonenlarged|clear|intact|upper limits of normal|top[- ]normal|stable in size and contour)"
)


def _is_normal(subject: str) -> tuple[str, ...]:
    """``the heart size and pulmonary vascularity are within normal limits``, ``normal heart size``."""
    return (
        rf"{subject}(?:(?:,| and|/)[\w ,/]{{1,60}})?(?: silhouettes?| contours?| size)? ?"
        rf"(?:{_BE} )?(?:{_HOW} )*(?:of |in )?{_NORMAL}",
        rf"(?:normal|unremarkable|clear)(?: appearing| sized?)?(?: of)?(?: the)? {subject}",
    )


NORMALITIES: Mapping[str, tuple[str, ...]] = {
    "Cardiomegaly": (
        *_is_normal(_HEART),
        *_is_normal(r"cardiomediastin\w+(?: silhouettes?| contours?)?"),
        *_is_normal(r"cardiac and mediastinal (?:silhouettes?|contours?)"),
    ),
    "Enlarged Cardiomediastinum": _is_normal(_MEDIASTINUM),
    "Lung Opacity": _is_normal(_LUNGS),
    "Fracture": _is_normal(r"(?:osseous structures?|bony (?:structures?|thorax)|bones?|ribs|skeletal structures)"),
    "Pleural Effusion": _is_normal(r"(?:pleural spaces?|costophrenic (?:angles?|sulci)|pleural surfaces?)"),
}
"""What says, without naming it, that an observation is not there."""

_FINE = r"(?:normal|negative|unremarkable|clear)"
NOTHING_FOUND = (
    r"no (?:\w+ ){0,4}(?:abnormalit\w+|disease|process|findings?)",
    rf"{_FINE} (?:\w+ ){{0,2}}(?:chest|radiograph|examination|exam|study|x-?ray|film|view|lungs?|heart)",
    rf"(?:chest|radiograph|examination|exam|study|x-?ray|lungs?) (?:is |are |appears? )?(?:within )?{_FINE}",
)
"""What says that the whole examination is normal: enough for No Finding where no observation is told of."""
