"""The schema of an alert, version 0.4: names and types as the pipeline's schema files have them."""

from __future__ import annotations

from typing import Any

VERSION = "0.4"
PUBLISHER = "WINTER-mirar"

# A name alone is a float that may be null; `:type` is a type that may not, `:type?` one that may.
_CANDIDATE = """
    candid:long deprecated:boolean jd:double fid:int exptime:float ndethist:int
    jdstarthist:double jdendhist:double progname:string programid:int isdiffpos:boolean
    fieldid:int boardid:int ra:double dec:double magzpsci magzpsciunc magzpscirms diffmaglim
    magpsf:float sigmapsf:float chipsf magap sigmagap magapbig sigmagapbig magdiff magfromlim
    distnr magnr sigmagnr xpos ypos sky fwhm classtar mindtoedge seeratio aimage bimage
    aimagerat bimagerat elong nneg:int? nbad:int? sumrat dsnrms ssnrms dsdiff scorr:double?
    clrcoeff clrcounc zpclrcov zpmed clrmed clrrms rb rbversion:string? xrb xrbversion:string?
    ssdistnr ssmagnr ssnamenr:string? tooflag:boolean nmtchps:int psra1 psdec1 psobjectid1
    sgmag1 srmag1 simag1 szmag1 sgscore1 distpsnr1 ps1class1 ps1strmprobstar1:float|string?
    ps1strmprobqso1 ps1strmprobgalaxy1 ps1strmphotoz1 ps1strmphotozerr1 psobjectid2 sgmag2
    srmag2 simag2 szmag2 sgscore2 distpsnr2 ps1strmclass2:float|string? ps1strmprobstar2
    ps1strmprobqso2 ps1strmprobgalaxy2 ps1strmphotoz2 ps1strmphotozerr2 psobjectid3 sgmag3
    srmag3 simag3 szmag3 sgscore3 distpsnr3 ps1strmclass3:float|string? ps1strmprobstar3
    ps1strmprobqso3 ps1strmprobgalaxy3 ps1strmphotoz3 ps1strmphotozerr3 nmtchtm:int tmjmag1
    tmhmag1 tmkmag1 tmobjectid1:string? tmjmag2 tmhmag2 tmkmag2 tmobjectid2:string? tmjmag3
    tmhmag3 tmkmag3 tmobjectid3:string? distgaia plxgaia ruwegaia distgaiabright plxgaiabright
    ruwegaiabright ztfname:string? distztf
"""
_EARLIER = """
    candid:long? progname:string jd:double fid:int isdiffpos:boolean diffmaglim fieldid:int
    ra:double dec:double magpsf:float sigmapsf:float fwhm scorr:double?
"""
_CUTOUTS = ("cutout_science", "cutout_template", "cutout_difference")


def _field(token: str) -> dict[str, Any]:
    name, _, kind = token.partition(":")
    if not kind:
        return {"name": name, "type": ["float", "null"]}
    if not kind.endswith("?"):
        return {"name": name, "type": kind}
    first, *others = kind.removesuffix("?").split("|")
    return {"name": name, "type": [first, "null", *others]}


def _record(name: str, fields: str) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "namespace": "winter.alert",
        "fields": [_field(token) for token in fields.split()],
    }


CANDIDATE = _record("candidate", _CANDIDATE)
EARLIER = _record("prv_candidate", _EARLIER)
ALERT: dict[str, Any] = {
    "type": "record",
    "name": "alert",
    "namespace": "winter",
    "doc": "avro alert schema for WINTER",
    "fields": [
        {"name": "schemavsn", "type": "string", "default": VERSION},
        {"name": "publisher", "type": "string", "default": PUBLISHER},
        {"name": "objectid", "type": "string"},
        {"name": "candid", "type": "long"},
        {"name": "candidate", "type": CANDIDATE},
        {"name": "prv_candidates", "type": [{"type": "array", "items": EARLIER}, "null"]},
        *({"name": name, "type": "bytes", "doc": "gzipped FITS"} for name in _CUTOUTS),
    ],
}
"""What one alert is made of."""
