"""Money and units of measure, as English has them said.

espeak reads "dollar three point five zero" and "five k m slash h" for $3.50 and 5 km/h.
"""

from __future__ import annotations

import re

from voice.speak.placed import Rule

_AMOUNT = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_MONEY = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "US$": ("US dollar", "US dollars", "cent", "cents"),
    "A$": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "C$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "", ""),
    "CHF": ("franc", "francs", "centime", "centimes"),
}
_CODES = {"USD": "US$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "CHF": "CHF", "€": "€",
          "£": "£", "AUD": "A$", "CAD": "C$"}  # fmt: skip
SCALES = {"k": "thousand", "m": "million", "bn": "billion", "b": "billion", "t": "trillion"}
_SCALE = r"(?:(?P<scale>\s?(?:thousand|million|billion|trillion)|[kKMm]|bn|B|T)\b)?"
_SPAN = rf"(?P<amount>{_AMOUNT})(?:\s?[-–]\s?[$€£]?(?P<to>{_AMOUNT}))?"
_MONEY_FIRST = re.compile(
    rf"(?P<sign>US\$|A\$|C\$|[$€£¥₹₩]){_SPAN}{_SCALE}(?P<each>\s(?:bills?|notes?|coins?)\b)?"
)
_MONEY_LAST = re.compile(
    rf"(?<![\w.,]){_SPAN}{_SCALE}\s?(?P<sign>€|£|(?:{'|'.join(_CODES)})\b)(?P<each>)"
)

_UNITS = {
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "nm": "nanometer",
    "mi": "mile", "ft": "foot", "yd": "yard", "kg": "kilogram", "g": "gram", "mg": "milligram",
    "µg": "microgram", "mcg": "microgram", "lb": "pound", "lbs": "pound", "oz": "ounce",
    "fl oz": "fluid ounce", "l": "liter", "L": "liter", "ml": "milliliter", "mL": "milliliter",
    "cl": "centiliter", "dl": "deciliter", "gal": "gallon", "tsp": "teaspoon",
    "tbsp": "tablespoon", "h": "hour", "hr": "hour", "hrs": "hour", "min": "minute",
    "mins": "minute", "s": "second", "sec": "second", "secs": "second", "ms": "millisecond",
    "yr": "year", "yrs": "year", "KB": "kilobyte", "kB": "kilobyte", "MB": "megabyte",
    "GB": "gigabyte", "TB": "terabyte", "Mbps": "megabit per second", "Gbps": "gigabit per second",
    "kbps": "kilobit per second", "MB/s": "megabyte per second", "GB/s": "gigabyte per second",
    "km/h": "kilometer per hour", "kph": "kilometer per hour", "mph": "mile per hour",
    "m/s": "meter per second", "m²": "square meter", "km²": "square kilometer",
    "cm²": "square centimeter", "ft²": "square foot", "sq ft": "square foot", "m³": "cubic meter",
    "cm³": "cubic centimeter", "W": "watt", "kW": "kilowatt", "MW": "megawatt",
    "kWh": "kilowatt hour", "V": "volt", "mAh": "milliamp hour", "Wh": "watt hour",
    "kcal": "kilocalorie", "cal": "calorie", "dB": "decibel", "px": "pixel", "ha": "hectare",
    "°C": "degree Celsius", "ºC": "degree Celsius", "°F": "degree Fahrenheit",
    "ºF": "degree Fahrenheit", "kPa": "kilopascal", "hPa": "hectopascal",
}  # fmt: skip
_PLURALS = {"foot": "feet", "square foot": "square feet"}
_UNIT_NAMES = "|".join(sorted(map(re.escape, _UNITS.keys() - {"s"}), key=len, reverse=True))
_UNIT = re.compile(rf"(?<=\d)(?:\s?({_UNIT_NAMES})|\s(s))(?:\.(?=\s[a-z])|(?![\w'’/°²³]))")
_NUMBER_BEFORE = re.compile(r"(\b[Aa]n?\s)?(?<![\w.,/-])[-+~±−]?(\d[\d.,/]*)$")
_LONGEST_NUMBER = 24
_PER = re.compile(
    r"(?<=\w)\s?/\s?(hour|hr|h|day|week|month|mo|year|yr|person|night|minute|min|second|sec|s|kg"
    r"|lb|mile|km|gallon|liter|unit|item|user|piece)\b"
)
_PER_NAMES = {"hr": "hour", "h": "hour", "mo": "month", "yr": "year", "min": "minute",
              "sec": "second", "s": "second", "kg": "kilogram", "lb": "pound",
              "km": "kilometer"}  # fmt: skip


def _money(found: re.Match[str]) -> str:
    amount, to, scale = found["amount"], found["to"], found["scale"]
    one, many, cent, cents = _MONEY[_CODES.get(found["sign"], found["sign"])]
    if found["each"]:
        return f"{amount} {one}{found['each']}"
    whole, _, part = amount.partition(".")
    if scale or to:
        large = f" {SCALES.get(scale.lower(), scale.strip())}" if scale else ""
        return f"{amount} to {to}{large} {many}" if to else f"{amount}{large} {many}"
    if len(part) != 2 or not cent:
        return f"{amount} {one if amount == '1' else many}"
    coins = f"{int(part)} {cent if part == '01' else cents}"
    notes = f"{whole} {one if whole == '1' else many}"
    if part == "00":
        return notes
    return coins if int(whole.replace(",", "")) == 0 else f"{notes} and {coins}"


def _unit(found: re.Match[str]) -> str:
    start = found.start()
    number = _NUMBER_BEFORE.search(found.string[max(0, start - _LONGEST_NUMBER) : start])
    if not number:
        return found[0]
    first, _, per = _UNITS[found[1] or found[2]].partition(" per ")
    noun, _, kind = first.partition(" ") if first.startswith("degree") else (first, "", "")
    if number[2] != "1" and not number[1]:
        noun = _PLURALS.get(noun, f"{noun}s")
    return " ".join(["", *filter(None, (noun, kind, per and f"per {per}"))])


def _per(found: re.Match[str]) -> str:
    before = found.string[max(0, found.start() - 40) : found.start()].split()[-3:]
    if not any(character.isdigit() for character in "".join(before)):
        return found[0]
    return f" per {_PER_NAMES.get(found[1], found[1])}"


MONEY: tuple[Rule, ...] = ((_MONEY_FIRST, _money), (_MONEY_LAST, _money))
UNITS: tuple[Rule, ...] = ((_UNIT, _unit), (_PER, _per))
