"""Texts with numbers, signs and names of programs that are no personal datum."""

import random
from collections.abc import Callable

SEED, EACH = 12, 20
WRITTEN = (
    "It came on 2020-11-25 at 10:30 and broke at once.", "4.5/5 stars, would buy again", "call 911",
    "open 24/7", "meet me @ noon", "5 @ 10$", "10 @ 5.99 each", "the score was 3:2 and then 4::1",
    "std::string is a::b to me", "100 000 000 people watched it", "between 2019-2020 it was fine",
    "1984 and 2001 are both good", "9/11 was awful", "I <3333333333 this so much",
    "thanks @anonymous and @user, meet @5pm", "@user @user why", "it is 1-800 something",
    "12 34 56 78 90, the lottery numbers", "draw: 03 11 18 27 33 41", "it weighs 1234567890123 atoms",
    "open 9-17, Mo-Fr, from 01.02.2021 to 03.04.2022", "open 0900-1700 daily", "0800-1200 and 1300-1730",
    "part AB12 CD34 of 8 GB", "https://shop.example/item/12345?page=2&sort=price",
    "x = 0.4111111111111111", "born in 1980, died 2 95 years later", "it has 4000 1234 5678 9010 pixels",
    "S01E02 and S01E03", "look at the dot on the map", "I point at example and it works",
    "bought it at amazon.com", "see you at example.com", "deals @ amazon.com today",
    "look at example.com for more", "the dot com bubble", "work at a dot com company",
    "pi is 3.14159265358979323846", "e is 2.718281828459045", "the answer is 42", "7-11 is open",
    "50-50 chance", "from 1939-1945 to 1999-2005", "2010/2011 and 2011/2012", "1,234,567.89 in total",
    "1.234.567,89 in total", "3 x 4 = 12, 12 x 12 = 144", "#1 of #100", "#2020 #covid19 #throwback2015",
    "192 pages, 12 chapters", "Boeing 747-400", "Windows 10.0.19041.1", "Chrome 96.0.4664.110",
    "python 3.11.7 is 20% faster", "kernel 5.10.0-23", "RTX 3080 vs 2080", "iPhone 12 vs iPhone 13 Pro",
    "a 1080p 60fps video", "16:9 and 4:3", "10/10, 5/5, 100/100", "ISBN 978-3-16-148410-0",
    "1-0, 2-1, 3-3, 0-2", "they went 10-6-2 this year", "in the 1980s and 1990s", "at 30°C or -5°C",
    "H2O and CO2", "-33.8688, 151.2093", "ratio 1.61803398875", "room 101, floor 12",
    "channel 4, episode 12, season 3", "size 38-40", "ZIP 90210-1234", "ABBA 1974 1982", "1 000 000 km",
    "$1,234,567.89", "it costs 1 299 000 kr", "2+2=4", "sha 9f86d081884c7d659a2f", "colour #336699",
    "uuid 123e4567-e89b-12d3", "0x1F600", "the year 2021 2022 2023", "1 2 3 4 5 6 7 8 9 10",
    "10 9 8 7 6 5 4 3 2 1 go", "add 100 200 300 400", "3-4 weeks, 10-15 days, 20-25 people",
    "２０２０年１１月２５日", "१२३ किताबें", "٥ نجوم", "①②③", "½ of it", "20 – 25 people", "1999—2005",
    "10 000 – 20 000", "a@b", "@ home", "@", "c++ :: c#", "50% @ 2x", "time 10:30-11:45",
    "on 12/25/2020 and 25/12/2020", "20201125", "1e10",
)  # fmt: skip


def harmless_texts() -> list[str]:
    """Return the list above and EACH made of every pattern below; every second one is held out."""
    rng = random.Random(SEED)
    return [*WRITTEN, *(make(rng) for make in MADE for _ in range(EACH))]


def _price(rng: random.Random) -> str:
    sign, amount = rng.choice("$€£"), rng.uniform(1, 5_000_000)
    written = (
        f"{sign}{amount:,.2f}",
        f"{amount:.2f}{sign}",
        f"{sign} {int(amount)}",
        f"{int(amount):,} dollars",
    )
    return f"I paid {rng.choice(written)} for this"


def _date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1950, 2030)
    written = (
        f"{day:02}.{month:02}.{year}", f"{year}-{month:02}-{day:02}", f"{month}/{day}/{year}",
        f"{day}-{month}-{year % 100:02}", f"{year}{month:02}{day:02}",
        f"{year}/{month:02}/{day:02} {day:02}:{month:02}",
    )  # fmt: skip
    return f"it arrived on {rng.choice(written)} and broke on {rng.choice(written)}"


def _score(rng: random.Random) -> str:
    numbers = [rng.randint(0, 130) for _ in range(6)]
    return "won {}-{}, lost {}:{}, drew {}-{} at home".format(*numbers)


def _version(rng: random.Random) -> str:
    return f"version {'.'.join(str(rng.randint(0, 3000)) for _ in range(rng.randint(2, 4)))} crashes"


def _time(rng: random.Random) -> str:
    hours = [rng.randint(0, 23) for _ in range(3)]
    return f"at {hours[0]:02}:{rng.randint(0, 59):02}, then {hours[1]:02}00-{hours[2]:02}30 every day"


def _order(rng: random.Random) -> str:
    label = rng.choice(
        ("order", "order number", "invoice", "ticket #", "tracking", "ref", "item", "case id", "booking")
    )
    return f"{label} {rng.randint(10**6, 10 ** rng.randint(7, 12))} never arrived"


def _bare_number(rng: random.Random) -> str:
    return f"it counted {rng.randint(10**4, 10**9)} of them"


def _years(rng: random.Random) -> str:
    years = [rng.randint(1900, 2035) for _ in range(4)]
    return rng.choice(
        ("from {}-{} to {}-{}", "{}/{} and {}/{}", "{} {} {} {}", "{} - {} was better than {} - {}")
    ).format(*years)


def _hashtag(rng: random.Random) -> str:
    tag = rng.choice(("euro", "covid", "top", "vote"))
    return f"#{tag}{rng.randint(1, 99999999)} @user #{rng.randint(1, 9999)}"


def _rate(rng: random.Random) -> str:
    return f"{rng.randint(1, 900)} @ {rng.randint(1, 900)}{rng.choice(('$', '€', '%', 'k', '.50', ' each'))}"


def _big(rng: random.Random) -> str:
    number = f"{rng.randint(10**6, 10**8) * 10:,}"
    return f"{number.replace(',', rng.choice((',', '.', ' ')))} people saw it"


def _measures(rng: random.Random) -> str:
    return (
        " x ".join(f"{rng.uniform(1, 900):.{rng.randint(0, 4)}f}" for _ in range(rng.randint(2, 5))) + " mm"
    )


def _list_of_numbers(rng: random.Random) -> str:
    return "rows " + rng.choice((" ", ", ", "; ")).join(
        str(rng.randint(0, 999)) for _ in range(rng.randint(3, 8))
    )


def _draw(rng: random.Random) -> str:
    return "the draw was " + " ".join(f"{number:02}" for number in sorted(rng.sample(range(1, 50), 6)))


def _isbn(rng: random.Random) -> str:
    group, check = rng.randint(0, 9), rng.randint(0, 9)
    return f"ISBN 978-{group}-{rng.randint(10, 99)}-{rng.randint(100000, 999999)}-{check}"


def _timestamp(rng: random.Random) -> str:
    return f"at {rng.randint(1_300_000_000, 1_800_000_000)} it said {rng.random()}"


MADE: tuple[Callable[[random.Random], str], ...] = (
    _price, _date, _score, _version, _time, _order, _bare_number, _years, _hashtag, _rate, _big, _measures,
    _list_of_numbers, _draw, _isbn, _timestamp,
)  # fmt: skip
