"""Home area of a caller (归属地): the library's geographic data (phonenumbers), which writes province and city in one word."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers
from phonenumbers import carrier, geocoder

from ops.number_plan import parsed

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
