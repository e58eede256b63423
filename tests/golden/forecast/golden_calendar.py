# SPDX-License-Identifier: Apache-2.0
"""Public holidays 2015 to 2030 by the Python package holidays, one-off days left out.

    python3 tests/golden/forecast/golden_calendar.py > tests/golden/forecast/calendar.csv
"""
import datetime
import holidays

# Not by rule: Reformation's 500th year, days moved or added for VE Day and the Crown.
ONE_OFF = {"DE": ["2017-10-31"], "GB": ["2022-06-03", "2022-09-19", "2023-05-08"]}
MOVED = {"GB": {"2020-05-08": "2020-05-04", "2022-06-02": "2022-05-30"}}

print(f"# holidays {holidays.__version__}: country,day")
for country, part in (("DE", None), ("US", None), ("GB", "ENG"), ("FR", None)):
    days = {d.isoformat() for d in holidays.country_holidays(country, subdiv=part, years=range(2014, 2032))}
    days -= set(ONE_OFF.get(country, []))
    days = {MOVED.get(country, {}).get(d, d) for d in days}
    for d in sorted(days):
        if "2015" <= d[:4] <= "2030":
            print(f"{country},{datetime.date.fromisoformat(d).toordinal() - datetime.date(1970, 1, 1).toordinal()}")
