"""Home area of a caller (归属地) and the forms in which numbers come from carriers.

The numbering plan is phonenumbers' (geographic and carrier data of libphonenumber), not ours. What is ours: carriers hand in
`+86 138...`, `0086138...`, `86138...`, `0138...` and numbers behind IP-telephony prefixes such as 17951, and the library writes
province and city in one word.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, carrier, geocoder

# Call-by-call prefixes of China's carriers that may still stand before a calling number (179xx: YD/T 1314; the others are China
# Mobile's, Unicom's and Telecom's own). Taken off only if a valid number remains.
IP_PREFIX = re.compile(r"^(179\d\d|12593|11808|10193)(?=\d{7,})")
_NOISE = re.compile(r"[\s\-().]")
_PLAIN = "河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州 云南 陕西 甘肃 青海"
_SHORT = {
    **{short: short + "市" for short in ("北京", "天津", "上海", "重庆")},
    **{short: short + "省" for short in _PLAIN.split(" ")},
    "内蒙古": "内蒙古自治区",
    "西藏": "西藏自治区",
    "广西": "广西壮族自治区",
    "宁夏": "宁夏回族自治区",
    "新疆": "新疆维吾尔自治区",
}


@dataclass(frozen=True, slots=True)
class Home:
    """ "" where unknown. country: ISO 3166 alpha-2; province and city in Chinese for +86."""

    country: str = ""
    province: str = ""
    city: str = ""
    carrier: str = ""

    def words(self) -> tuple[str, str, str, str]:
        """In the order of common.v1.HomeArea."""
        return self.country, self.province, self.city, self.carrier


def _tries(number: str, country: str) -> list[str]:
    """What the number may mean, likeliest first."""
    plain = _NOISE.sub("", number)
    code = str(phonenumbers.country_code_for_region(country))
    bare = IP_PREFIX.sub("", plain) if country == "CN" else plain
    found = []
    for text in dict.fromkeys((plain, bare)):
        digits = text.lstrip("+")
        if digits.startswith("00"):
            found.append("+" + digits[2:])
        found.append(text)
        if digits.startswith(code):
            found.append("+" + digits)
        if text.startswith("0"):
            found.append(text[1:])  # a trunk 0 before a mobile number
    return found


@lru_cache(maxsize=65_536)
def parsed(number: str, country: str) -> PhoneNumber | None:
    """The valid number it means for a centre in `country`, else None."""
    if not _NOISE.sub("", number).lstrip("+").isdigit():
        return None
    for text in _tries(number, country):
        try:
            found = phonenumbers.parse(text, country)
        except NumberParseException:
            continue
        if phonenumbers.is_valid_number(found):
            return found
    return None


def canonical(number: str, country: str) -> str:
    """E.164 with +, or the digits as they are if it is no valid number (service numbers, prefixes)."""
    found = parsed(number, country)
    if found is not None:
        return str(phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164))
    return _NOISE.sub("", number)


def split_area(text: str) -> tuple[str, str]:
    """江苏省连云港市 -> (江苏省, 连云港市); 广西南宁市 -> (广西壮族自治区, 南宁市); 北京市 -> (北京市, 北京市)."""
    for short, name in _SHORT.items():
        if text.startswith(short):
            rest = text.removeprefix(name) if text.startswith(name) else text.removeprefix(short)
            return name, rest if rest or not name.endswith("市") else name
    return "", text


def city_key(name: str) -> str:
    """One form for a city however it is written: 武汉 and 武汉市 are the same."""
    return name.removesuffix("市") if len(name) > 2 else name


def customer_key(number: str) -> str:
    """The same caller next time, however the carrier writes the number; no number can be read from it. "" if it is withheld. Of the
    last ten digits: two customers of whom these are the same would be taken for one, and one be asked for the other's agent."""
    digits = "".join(filter(str.isdigit, number))[-10:]
    return hashlib.blake2s(digits.encode(), digest_size=8).hexdigest() if digits else ""


@lru_cache(maxsize=65_536)
def home_of(number: str, country: str) -> Home:
    """Home area of a calling number; all "" if it is withheld or no valid number."""
    found = parsed(number, country)
    if found is None:
        return Home()
    region = phonenumbers.region_code_for_number(found) or ""
    area = geocoder.description_for_number(found, "zh")
    operator = carrier.name_for_number(found, "zh")
    if region != "CN":
        return Home(region, "", area, operator)
    province, city = split_area("" if area == "中国" else area)
    return Home(region, province, city, operator)
