"""Sentences that are easily cut or said wrongly, each with the clauses in which it is spoken."""

from __future__ import annotations

import pytest

from voice.speak.chunker import Chunker

TABLE = r"""
# Titles
Well, Dr. Smith met Mrs. Jones.
= Well, Dr Smith met Mrs Jones.

# Money
It costs $3.50 or 1,000 yen.
= It costs 3 dollars and 50 cents or 1,000 yen.
It was $0.99, now it is $1.00.
= It was 99 cents, | now it is 1 dollar.
The deal is worth $3.5 million this year.
= The deal is worth 3.5 million dollars this year.
They raised $2B in 2021, up from $500k.
= They raised 2 billion dollars in 2021, | up from 500 thousand dollars.
Tickets are €20 each, or £10.50 for kids.
= Tickets are 20 euros each, | or 10 pounds and 50 pence for kids.
You pay $5-10 per person.
= You pay 5 to 10 dollars per person.
He has a $20 bill.
= He has a 20 dollar bill.
It's $9.99/month or $99/year.
= It's 9 dollars and 99 cents per month or 99 dollars per year.
That is 20 EUR, or about 25 USD.
= That is 20 euros, | or about 25 US dollars.

# Times and dates
We met at 10:30 on Monday.
= We met at 10 30 on Monday.
We met at 10:00 sharp.
= We met at 10 o'clock sharp.
The train leaves at 17:45 and arrives at 18:05.
= The train leaves at 17 45 and arrives at 18 oh 5.
Open from 9:00 AM to 5:00 PM every day.
= Open from 9 AM to 5 PM every day.
Open 9am-5pm, Mon-Fri.
= Open 9am to 5pm, | Monday to Friday.
Open 9:30-17:00 on weekdays.
= Open 9 30 to 17 hundred on weekdays.
We leave at 5 p.m. on Monday.
= We leave at 5 p.m. on Monday.
We leave at 5 p.m. Then we eat.
= We leave at 5 p.m. | Then we eat.
We leave at 5 p.m. Monday.
= We leave at 5 p.m Monday.
At 00:00 it ends.
= At midnight it ends.
The date is 2026-11-26 today.
= The date is November 26, 2026 today.
The log says 2026-11-26T10:30:00Z exactly.
= The log says November 26, 2026, 10 30 exactly.
It was on 11/26/2026 in Rome.
= It was on November 26, 2026 in Rome.
It was on 26/11/2026 in Rome.
= It was on November 26, 2026 in Rome.
It was on Nov. 23 in Rome.
= It was on November 23 in Rome.
It was on Nov 26, 2026, in Rome.
= It was on November 26, 2026, | in Rome.
On November 26, 2026, we met.
= On November 26, 2026, | we met.

# Years
He was born in 1905 and died in 1999.
= He was born in 19 oh 5 and died in 19 99.
In 1066 there was a battle.
= In 1066 there was a battle.
The 1990s were fun, and so were the '80s.
= The 19 nineties were fun, | and so were the eighties.
The 2010s and 2000s passed.
= The 20 tens and two thousands passed.
There were 1999 people and 1,999 dogs.
= There were 1999 people and 1,999 dogs.

# Fractions
Add 1/2 cup sugar and 3/4 cup milk.
= Add one half cup sugar and 3 quarters cup milk.
Use 1 1/2 cups of flour, or 2 2/3 cups.
= Use 1 and a half cups of flour, | or 2 and 2 thirds cups.
Use 1½ cups of flour.
= Use 1 and a half cups of flour.
We are open 24/7 all year.
= We are open 24 7 all year.
I rate it 8/10 overall.
= I rate it 8 out of 10 overall.

# Units
It is 20°C outside, or 68 °F.
= It is 20 degrees Celsius outside, | or 68 degrees Fahrenheit.
It is -5°C in Oslo.
= It is -5 degrees Celsius in Oslo.
Drive at 5 km/h for 10 km.
= Drive at 5 kilometers per hour for 10 kilometers.
Drive at 60 mph for 1 mi. Then stop.
= Drive at 60 miles per hour for 1 mile. | Then stop.
Add 100 ml water and 5 g salt.
= Add 100 milliliters water and 5 grams salt.
He is 6 ft tall and weighs 80 kg.
= He is 6 feet tall and weighs 80 kilograms.
He is 5'10" tall.
= He is 5 foot 10 tall.
It has 16 GB of RAM and a 512GB disk.
= It has 16 gigabytes of RAM | and a 512 gigabyte disk.
The room is 10 m² big.
= The room is 10 square meters big.
Bake for 30 min. Then let it cool.
= Bake for 30 minutes. | Then let it cool.
Bake for 30 min. at 180 degrees.
= Bake for 30 minutes at 180 degrees.
It took 2 hrs and 5 min to finish.
= It took 2 hours and 5 minutes to finish.

# Ranges, numbers, signs
Wait 10-20 minutes, please.
= Wait 10 to 20 minutes, | please.
Read pages 10–20 tonight.
= Read pages 10 to 20 tonight.
It is 100% sure, or 99.9 % at least.
= It is 100% sure, | or 99.9 % at least.
It grew by +5 to -3 points.
= It grew by +5 to -3 points.
There are ~300 people here.
= There are about 300 people here.
Pi is about 3.14159 or so.
= Pi is about 3.14159 or so.
That is 1,234,567 in total.
= That is 1,234,567 in total.
She came 1st, he came 22nd.
= She came 1st, | he came 22nd.
No. 5 is alive.
= number 5 is alive.
Nos. 5 and 6 are out.
= numbers 5 and 6 are out.
You are #1 in the world.
= You are number 1 in the world.
He said no. Then he left.
= He said no. | Then he left.

# Digits one by one
Call me at 555-123-4567 tomorrow.
= Call me at 5 5 5, 1 2 3, 4 5 6 7 tomorrow.
Call (555) 123-4567 now.
= Call 5 5 5, 1 2 3, 4 5 6 7 now.
Dial +1 555 123 4567 for help.
= Dial plus 1, 5 5 5, 1 2 3, 4 5 6 7 for help.
Call 911 at once.
= Call 9 1 1 at once.
Your code is 4821 for today.
= Your code is 4 8 2 1 for today.
Order 12345678 has shipped.
= Order 1 2 3 4 5 6 7 8 has shipped.

# Versions and addresses of machines
Install v2.0 or v1.2.3 today.
= Install v2.0 or v 1 point 2 point 3 today.
The router is at 192.168.0.1 usually.
= The router is at 192 dot 168 dot 0 dot 1 usually.
Python 3.11.4 is out.
= Python 3 point 11 point 4 is out.

# Scores and arithmetic
The score was 3-2 at the end.
= The score was 3 to 2 at the end.
Use a 16:9 screen with 1920x1080 pixels.
= Use a 16 to 9 screen with 1920 by 1080 pixels.
It is 3 x 4 meters.
= It is 3 by 4 meters.
So 3 * 4 = 12 and 3*4=12.
= So 3 times 4 = 12 and 3 times 4=12.
So 7 - 4 = 3, right?
= So 7 minus 4 = 3, | right?
Is 5 < 6 or 6 > 5?
= Is 5 less than 6 or 6 greater than 5?
If x >= 5 and y == 3, stop.
= If x at least 5 and y equals 3, | stop.
The area is x² or 10^6.
= The area is x squared or 10 to the power of 6.
It is 2x faster than C++ and C#.
= It is 2 times faster than C++ | and C sharp.

# Addresses, files, names
See https://example.com/a.b?c=d for more.
= See example.com for more.

# Addresses, files, names
See https://www.example.com. It is good.
= See example.com. | It is good.
Go to www.example.org/path, then click.
= Go to example.org, | then click.
Write to bob@example.com. He answers.
= Write to bob@example.com. | He answers.
Visit example.com for details.
= Visit example.com for details.
Open main.py and README.md. Then run it.
= Open main.py and README.md. | Then run it.
Use Node.js. It is fast.
= Use Node.js. | It is fast.
The file /usr/bin/python is there.
= The file /usr/bin/python is there.
Look in C:\Windows\System32 for it.
= Look in C:\Windows\System32 for it.
Set snake_case and camelCase names.
= Set snake_case and camelCase names.

# Abbreviations
Bring fruit, e.g. apples or pears.
= Bring fruit, | for example apples or pears.
Bring fruit (e.g., apples) with you.
= Bring fruit (for example, apples) with you.
It is late, i.e. after ten.
= It is late, | that is after ten.
Apples, pears, etc. are fruit.
= Apples, pears, | etc. are fruit.
Buy apples, pears, etc. Then go home.
= Buy apples, | pears, etc. | Then go home.
He moved to the U.S. Army base.
= He moved to the U.S Army base.
I live in the U.S. The weather is fine.
= I live in the U.S. | The weather is fine.
J. R. R. Tolkien wrote it.
= J R R Tolkien wrote it.
George W. Bush and John F. Kennedy met.
= George W Bush and John F Kennedy met.
She has a Ph.D. in physics.
= She has a PhD in physics.
He works at Apple Inc. in California.
= He works at Apple Inc. in California.
He works at Apple Inc. They pay well.
= He works at Apple Inc. | They pay well.
Sammy Davis Jr. sang there.
= Sammy Davis Jr. sang there.
Smith et al. wrote a paper.
= Smith et al. wrote a paper.
It was Bach vs. Handel that night.
= It was Bach versus Handel that night.
He lives at 5 Main St. Then turn left.
= He lives at 5 Main St. | Then turn left.
He lives near St. Peter in Rome.
= He lives near St Peter in Rome.
We climbed Mt. Everest last year.
= We climbed Mount Everest last year.
Gen. Lee met Capt. Kirk and Sgt. Pepper.
= General Lee met Captain Kirk and Sergeant Pepper.
Do one more rep. Then rest.
= Do one more rep. | Then rest.
See fig. 3 and ch. 4 for details.
= See figure 3 and chapter 4 for details.
Read vol. 2, pp. 10-20, please.
= Read volume 2, | pages 10 to 20, please.
He came approx. 5 minutes late.
= He came approximately 5 minutes late.
NASA and USB and HTML are acronyms.
= NASA and USB and HTML are acronyms.
The CO2 level and H2O.
= The C O 2 level and H2O.
The A.M. show and the P.M. show.
= The A.M. show and the P.M. show.

# Roman numerals, slashes, ampersands
World War II ended in 1945.
= World War 2 ended in 19 45.
Louis XIV built it, and Henry VIII did not.
= Louis the 14th built it, | and Henry the 8th did not.
Read Chapter IV and Part I tonight.
= Read Chapter 4 and Part 1 tonight.
I had an IV drip and I think so.
= I had an I V drip and I think so.
He/she can use TCP/IP and/or UDP.
= he or she can use TCP IP and or UDP.
Go w/o me, or w/ her.
= Go without me, | or with her.
It's rock 'n' roll & jazz.
= It's rock 'n' roll & jazz.
AT&T and R&B are fine.
= AT&T and R&B are fine.

# Quotations and brackets
"Hello," she said. "How are you?"
= "Hello," she said. | "How are you?"
"What?" he asked. Nobody knew.
= "What?" he asked. | Nobody knew.
"What?" Tom asked. Nobody knew.
= "What?" Tom asked. | Nobody knew.
"Stop!" The man stopped.
= "Stop!" | The man stopped.
He said "Stop." Then he left.
= He said "Stop." | Then he left.
“Go home!” Anna shouted at him.
= “Go home!” Anna shouted at him.
He asked, "Why?" and left.
= He asked, | "Why?" and left.
(It rains.) Take a coat.
= (It rains.) | Take a coat.

# Sentences
I wonder... maybe not.
= I wonder, maybe not.
Wait... What was that?
= Wait... | What was that?
Well… I see. Good.
= Well… | I see. | Good.
Really?! Yes!! No way!!!
= Really?! | Yes!! | No way!!!
Yes. No. Maybe.
= Yes. | No. | Maybe.
Is it 5? 6? 7?
= Is it 5? | 6? | 7?
The answer is 3. Good.
= The answer is 3. | Good.
Steps: 1. Boil water. 2. Add salt. 3. Wait.
= Steps: 1. Boil water. | 2. Add salt. | 3. Wait.
Yes — that is true — and so is this.
= Yes — that is true — | and so is this.
Time flies—so do I.
= Time flies— | so do I.
Plan B. Let's go.
= Plan B. | Let's go.
So do I. Let's go.
= So do I. | Let's go.
Vitamin C. It helps.
= Vitamin C. | It helps.
It is 5 o'clock, isn't it?
= It is 5 o'clock, | isn't it?

# Hyphens, arrows, the rest
That's state-of-the-art, a 10-year-old idea.
= That's state-of-the-art, | a 10-year-old idea.
COVID-19 hit in 2020.
= COVID-19 hit in 2020.
The F-16 and the B-52 flew.
= The F-16 and the B-52 flew.
He's No. 1, she's no. 2.
= He's number 1, | she's number 2.
Settings → Display → Brightness.
= Settings, Display, Brightness.
Use the -v flag and --verbose too.
= Use the -v flag and --verbose too.
Great job! 🎉 Let's go on.
= Great job! | Let's go on.
I ♥ you :) really.
= I you really.
We sell 5k units, worth $5k.
= We sell 5k units, | worth 5 thousand dollars.
It has 10M users and 3 million fans.
= It has 10 million users and 3 million fans.
At 8 a.m. he rose. At 9 a.m. She left.
= At 8 a.m. he rose. | At 9 a.m. | She left.
The U.K., the E.U., and the U.N. agreed.
= The U.K., | the E.U., and the U.N. agreed.
In Washington D.C. the sun shone.
= In Washington D.C. the sun shone.
The temperature is 72 degrees. Do you want more?
= The temperature is 72 degrees. | Do you want more?
Buy 2.5 lbs of beef, 3 oz of cheese.
= Buy 2.5 pounds of beef, | 3 ounces of cheese.
He ran 100 m in 9.58 s flat.
= He ran 100 meters in 9.58 seconds flat.
The ratio is 3:1, not 10:1.
= The ratio is 3 to 1, | not 10 to 1.
He scored 12 out of 20, i.e. 60%.
= He scored 12 out of 20, | that is 60%.
Chapter 3. The end.
= Chapter 3. | The end.
It's 7:05 now, and 12:00 later.
= It's 7 oh 5 now, | and 12 o'clock later.
At Jan. 5 we start; by Feb. we end.
= At January 5 we start; | by February we end.
From Jan–Mar it snows.
= From January to March it snows.
Sat, Nov 28 is fine.
= Saturday, November 28 is fine.
He left at 5. She stayed.
= He left at 5. | She stayed.
I paid 50¢ for it.
= I paid 50¢ for it.
Use pH 7.4, 5 V and 60W.
= Use pH 7.4, 5 volts and 60 watts.
A 3D 4K TV costs ₹500.
= A 3D 4K TV costs 500 rupees.

# Mixed
Read Mr. and Mrs. Dalloway by V. Woolf.
= Read Mr. and Mrs Dalloway by V Woolf.
The vote was 51 to 49 percent. It passed.
= The vote was 51 to 49 percent. | It passed.
Version 2.0.1 fixes it. Update now.
= Version 2 point 0 point 1 fixes it. | Update now.
I said: "Wait!" Then I ran.
= I said: | "Wait!" | Then I ran.
He is 5. She is 6.
= He is 5. | She is 6.
Ask Sen. Smith or Gov. Jones. They know.
= Ask Senator Smith or Governor Jones. | They know.
Look at page 3, sec. 2. There it is.
= Look at page 3, | section 2. | There it is.
She left at noon, i.e., at 12:00.
= She left at noon, | that is, at 12 o'clock.
They pay $15/hr, i.e. $600 a week.
= They pay 15 dollars per hour, | that is 600 dollars a week.
The rate is 0.5%, not 5%.
= The rate is 0.5%, | not 5%.
It weighs 3 lb. or so.
= It weighs 3 pounds or so.
Well, e.g., you could try a walk.
= Well, for example, you could try a walk.
Who? Me? No!
= Who? | Me? | No!
Yahoo.com and eBay.co.uk are sites.
= Yahoo.com and eBay.co.uk are sites.
The 3rd, 4th and 5th of May.
= The 3rd, | 4th and 5th of May.
Mix 1/3 cup oil, then stir.
= Mix one third cup oil, | then stir.
Mind the gap - it is wide.
= Mind the gap - | it is wide.
I met J.K. Rowling. She was kind.
= I met J.K Rowling. | She was kind.
My name is Bond, James Bond.
= My name is Bond, | James Bond.
It happened in the U.S.A. Nobody knew.
= It happened in the U.S.A. | Nobody knew.
"""
"""A sentence, and below it its clauses with a bar between."""

LINES = [line for line in TABLE.splitlines() if line and not line.startswith("# ")]
SENTENCES = [
    (written, clauses.removeprefix("= ").split(" | "))
    for written, clauses in zip(LINES[::2], LINES[1::2], strict=True)
]


@pytest.mark.parametrize(("written", "clauses"), SENTENCES)
def test_a_sentence_becomes_these_clauses(written: str, clauses: list[str]) -> None:
    chunker = Chunker()
    found = [clause for letter in written for clause in chunker.receive(letter)]
    assert [clause.text for clause in (*found, *chunker.finish())] == clauses


def test_there_are_enough_of_them() -> None:
    assert len(SENTENCES) >= 150
