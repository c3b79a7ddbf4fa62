"""The words and sentences of the `sample:` corpus. Everything here is made up: firms, people and events do not exist.

A word class is a list of concepts, a concept a list of wordings that mean the same: `rose/climbed; fell/dropped`.
In a sentence `{moved}` is a fact (one concept, any of its wordings), `{team2}` a second, different fact of class `team`,
and `[game|match]` a wording that is free each time. So
    {team} {beat} {team2} in the [game|match]    ->    The Rovers defeated the Lions in the match.
A change to any line changes the corpus: bump `sample.VERSION`.
"""

from typing import NamedTuple

_WOMEN = (
    "Anna; Maria; Clara; Julia; Laura; Helen; Ruth; Nina; Emma; Alice; Diane; Grace; Paula; Sarah; Vera; Linda; Judith"
)
_MEN = "Peter; Martin; Paul; David; Thomas; Frank; Oscar; Simon; Victor; Walter; Daniel; George; Henry; Louis; Carl; Robert"
_LAST = """Keller Porter Lang Moreno Fischer Bennett Novak Castle Hughes Lindgren Marsh Okafor Palmer Quinn Rossi Sandberg Tanaka
    Vance Whitaker Young Zimmer Abbott Brandt Collins Dorsey Ellison Foster Grant Holt Ivers Jensen Kovacs Lopez Mercer"""
_FIRMS = (
    "Northwind Halden Altona Brightwell Corvan Delmar Estral Fairmont Granville Hollis Kestrel Lorimer Meridian Orbis"
)
_TRADES = "Foods; Motors; Energy; Airlines; Bank; Software; Steel; Hotels; Media; Chemicals"
_SMALL = "two three four five six seven eight nine ten eleven twelve"

WORDS: dict[str, str] = {
    "woman": _WOMEN,
    "man": _MEN,
    "name": f"{_WOMEN}; {_MEN}",
    "person": "; ".join(f"{first} {last}" for first in f"{_WOMEN}; {_MEN}".split("; ") for last in _LAST.split()),
    "company": "; ".join(f"{firm} {trade}" for firm in _FIRMS.split() for trade in _TRADES.split("; ")),
    "percent": "; ".join(map(str, range(2, 40))),
    "count": "; ".join([*(f"{word}/{n}" for n, word in enumerate(_SMALL.split(), 2)), *map(str, range(13, 90))]),
    "few": "; ".join(f"{word}/{n}" for n, word in enumerate(_SMALL.split()[:6], 2)),
    "price": "; ".join(f"{n} dollars/${n}" for n in range(15, 400, 5)),
    "score": "; ".join(f"{n}-{m}" for n in range(2, 10) for m in range(n)),
    "day": "Monday; Tuesday; Wednesday; Thursday; Friday; Saturday; Sunday",
    "city": """London;
    Paris; Boston; Chicago; Berlin; Madrid; Rome; Vienna; Toronto; Sydney; Seattle; Denver; Dublin; Lisbon; Oslo;
    Prague; Athens; Houston; Detroit; Atlanta; Warsaw; Zurich; Cairo; Mumbai; Tokyo; Lima; Havana; Bangkok; Nairobi;
    Quebec""",
    "team": """the Lions; the Rovers; the Eagles; the Wanderers; the Sharks; the Bears; the Falcons; the Rangers; the
        Tigers; the Giants; the Comets; the Kings; the Pirates; the Wolves; the Hawks; the Bulls; the Stars; the
        Dragons""",
    "moved": "rose/climbed/gained/went up; fell/dropped/slid/went down",
    "news": """reported a higher profit/said
        its profit had grown; lost a large contract/said it had lost a big contract; cut its forecast/lowered its
        forecast; agreed to buy a rival/announced the purchase of a competitor; opened a new factory/started production
        at a new plant; recalled thousands of products/called back many products; announced job cuts/said it would lay
        off workers; settled a lawsuit/ended a legal dispute; named a new chief executive/appointed a new CEO""",
    "convicted": "convicted/found guilty; acquitted/cleared/found innocent",
    "crime": """murder/killing a man;
        fraud/cheating investors; armed robbery/robbing a bank; tax evasion/not paying taxes; bribery/paying bribes;
        arson/setting fire to a house; spying/espionage; car theft/stealing cars; perjury/lying to a judge;
        smuggling/bringing in illegal goods; kidnapping/abducting a child; forgery/printing false money""",
    "beat": "beat/defeated/won against; lost to/were beaten by/were defeated by",
    "harmed": "killed; rescued/saved/brought to safety",
    "disaster": """a
        storm/a hurricane; a flood/a flash flood; an earthquake/a quake; a fire/a blaze; a landslide/a mudslide; a heat
        wave; an explosion/a blast; a train crash/a railway accident; an avalanche; a bus accident/a bus crash; a
        shipwreck""",
    "experts": "researchers/scientists; doctors/physicians; engineers; economists; psychologists; students",
    "found": "found evidence/found proof/showed; found no evidence/found no proof/could not show",
    "claim": """coffee
        lowers the risk of heart disease/drinking coffee is good for the heart; short naps improve memory/sleeping at
        noon helps people to remember; noise harms children/loud streets are bad for children; bees recognise
        faces/bees know one face from another; walking prevents depression/people who walk are less often depressed;
        sugar causes headaches/eating sugar leads to headaches; music helps plants grow/plants grow faster with music;
        dogs can smell cancer/cancer can be detected by dogs; tea calms patients/tea makes patients less nervous; the
        lake is getting warmer/the water of the lake is warming""",
    "bought": "bought/purchased/paid for; sold/resold/auctioned off",
    "item": """an old piano/a piano; a red
        bicycle/a bike; a leather coat/a coat; a wooden table/a table; a silver watch/a watch; a mirror; a used
        camera/a camera; a guitar; a set of books/some books; a wool carpet/a rug; a sewing machine; a fishing boat/a
        boat; a tent; a pair of boots/some boots; a gold ring/a ring; a small painting/a picture; a lamp; a bed; a
        violin; a cupboard""",
    "shop": "a market/a street market; an auction/a public sale; a shop/a store; a fair/a trade fair; a garage sale/a yard sale",
    "arrived": "arrived in/came to/reached; left/departed from/went away from",
    "ride": "by train/on a train; by plane/on a flight; by car/in a car; by bus/on a bus; by boat/on a ferry",
    "purpose": """see
        a sister/visit a sister; look for work/find a job; study law/become a lawyer; sell a house/find a buyer for a
        house; see a doctor/visit a doctor; write a book/work on a novel; meet an old friend/see a friend again; go
        fishing/catch fish""",
    "someone": """a man/a guy; a woman/a lady; a boy/a young boy; a girl/a little girl; an old man/an elderly man; a
        soldier; a student; a farmer; a worker/a laborer; a nurse; a dancer; a tourist/a traveller""",
    "doing": """playing the guitar/playing a guitar; riding a horse/on a horse; eating a sandwich/having a sandwich;
        reading a book/looking into a book; cooking dinner/preparing a meal; cutting wood/chopping wood; washing a
        dog/bathing a dog; painting a wall/putting paint on a wall; taking photos/taking pictures; fixing a
        bicycle/repairing a bike; drinking water/having some water; singing a song/singing; running/jogging; throwing a
        ball/tossing a ball; carrying a box/holding a box; dancing/doing a dance""",
    "outside": "outside/outdoors/in the open air; inside/indoors/in a room",
    "wearing": "a red shirt; a blue jacket; a black hat; a white dress; a green sweater; sunglasses; a scarf; a helmet; gloves; a tie",
    "human": """student;
        teacher; doctor; lawyer; neighbour; painter; farmer; pilot; singer; writer; baker; driver; waiter; guest;
        sailor; actor; king; girl; boy; visitor; manager; cook; judge; nurse; soldier; dentist; poet; clerk; hunter;
        banker; tailor; miner""",
    "thing": """letter; book; picture; key; cake; ticket; coat; map; bottle; lamp; chair; hat; bag; report; ring; cup;
        newspaper; stone; photograph; basket; plate; candle; flower; pencil; guitar; toy; clock; pillow; painting;
        carpet; mirror; blanket""",
    "place": "table; shelf; floor; bed; roof; bench; desk; grass; counter; stairs; carpet; wall; sofa; street; balcony",
    "like": "tall; old; cheap; small; clean; strong; dark; warm; rich; young; quick; loud; soft; light; thick",
    "mood": "happy; tired; angry; ready; proud; hungry; nervous; quiet; late; polite; busy; calm; ill; careful; alone",
    "see": "see; take; break; steal; choose; draw; hide; forget; drop; buy; sell; find; carry; clean",
    "seen": "seen; taken; broken; stolen; chosen; drawn; hidden; forgotten; thrown; given away",
    "saw": "saw; took; broke; stole; chose; drew; hid; forgot; threw; gave away",
    "seeing": "seeing; taking; breaking; stealing; choosing; drawing; hiding; dropping; buying; selling; finding; carrying",
    "slept": "slept; laughed; arrived; disappeared; sneezed; coughed; yawned; smiled; fell; waited; died; wept",
    "liked": "admired; thanked; called; invited; visited; followed; helped; praised; hurt; blamed; described; surprised",
    "when": "yesterday; last week; this morning; in the evening; on Sunday; again; at noon; after lunch; in the garden; at home",
    "work": """film;
        movie; comedy; thriller; drama; documentary; romance; western; sequel; remake; cartoon; adaptation; mystery;
        picture; horror film; love story; family film; crime story; musical; debut""",
    "part": """script; plot; ending; story; cast; lead actor; first half; second half; opening; soundtrack; premise;
        hero; finale; villain; screenplay; lead actress; setting; performance; tone; message; style; dialogue""",
    "good": """charming; funny; moving; brilliant; engaging; clever; touching; delightful; gripping; beautiful; witty;
        smart; warm; superb; refreshing; wonderful; enjoyable; powerful; graceful; thoughtful; entertaining; hilarious;
        fascinating; elegant; heartfelt; lively; stunning; satisfying; sweet; honest; original; imaginative; subtle;
        inventive""",
    "bad": """dull; boring; tedious; clumsy; predictable; lifeless; silly; bland; awful; tiresome; messy; shallow;
        stupid; flat; annoying; pretentious; forgettable; painful; weak; contrived; dreadful; lazy; hollow; stale;
        sloppy; pointless; confusing; dreary; lame; empty; incoherent; ugly; cold; unfunny""",
    "virtue": """charm; wit; warmth; energy; intelligence; heart; style; suspense; imagination; grace; insight;
        tenderness; passion; beauty; humor; depth; spirit; magic; good ideas; emotional power""",
    "vice": """clichés; noise; bad jokes; sentimentality; plot holes; empty talk; violence; confusion; boredom;
        stereotypes; vulgarity; silliness; flaws; faults; cheap tricks; stale gags; mistakes; missteps; stiff acting;
        dead spots""",
    "who": "for anyone; for me; for fans of the genre; for the audience; for children; for most adults; on a second viewing",
    "skill": """Spanish;
        French; German; Japanese; Chinese; the piano; the guitar; the violin; chess; cooking; swimming; dancing;
        drawing; photography; programming; statistics; algebra; physics; accounting; yoga; tennis; golf; poker;
        singing; sewing; Russian""",
    "how": """as a beginner; at home; without a teacher; in one year; as an adult; online; with little money; at night;
        in a group; alone; with friends; during the holidays; after work; at school; at the age of fifty; with a small
        child; on weekends""",
    "trip": """with children; on a small budget; as a student; for a weekend; alone; by bicycle; without a car; as a
        tourist; in one day; at night; as a pensioner; with a dog; on a business trip; with a baby; by train""",
    "month": "January; February; March; April; May; June; July; August; September; October; November; December",
    "device": """phone/mobile
        phone; laptop/notebook computer; printer; camera; washing machine/washer; car/automobile; bicycle/bike; tablet;
        fridge/refrigerator; television/TV; watch; dishwasher; stove; vacuum cleaner; microphone; radio; heater; sewing
        machine""",
    "use": """in winter; in summer; at home; at the office; on a boat; in the countryside; in a small flat; in a hotel;
        abroad; at school; on a trip; in a hot country; in a shop; in a cold house; in a tent""",
    "kin": """mother; father; brother; sister; uncle; aunt; cousin; neighbour; boss; friend; roommate; grandmother;
        grandfather; wife; husband; son; daughter; teacher; colleague; girlfriend""",
    "object": "trophy; piano; sofa; ladder; statue; carpet; tent; drum; globe; guitar; mirror; painting; bicycle; cupboard; desk; harp",
    "room": "suitcase; car; van; box; room; drawer; bag; cellar; garage; elevator; hall; cabin; trunk; shed; truck; crate",
    "vehicle": "bus; truck; van; train; taxi; tractor; motorcycle; car; ambulance; tram; jeep; cyclist; horse; boat; cab",
}


class Frame(NamedTuple):
    """One
        kind of event. The first fact that `says` names is its subject; `turn` is the fact with an opposite."""

    turn: str
    says: str  # the whole event; any two of these are paraphrases
    implied: str  # follows from it
    unsaid: str  # may be true or not
    denial: str  # cannot be true with it
    asks: str  # questions, each after the fact that answers it


FRAMES: tuple[Frame, ...] = (
    Frame("moved",
        """{company}
    shares {moved} {percent} percent on {day} after the company {news} / on {day}, the stock of {company}, which
    {news}, {moved} by {percent} percent / after {company} {news}, its share price {moved} {percent} percent on
    {day}""",
        """{company} shares {moved} / the stock of {company} {moved} on {day} / the share price of {company} {moved}
            [this week|within a day] / {company} {news}""",
        """{company} will build a new factory in {city} / {company} is the largest firm in {city} / the chief executive
            of {company} bought a house in {city} / {company} has been popular with [banks|investors] for {few} years /
            {company} may move to {city}""",
        """{company} shares did not [move|change] on {day} / the stock of {company} was not traded on {day} / {company}
            has never had any shares""",
        """percent: by what percentage did {company} shares [move|change] on {day}? / news: what did {company} do
            before its shares {moved}? / day: on which day did the stock of {company} [move|change]?""",
    ),
    Frame("convicted",
        """{person} was {convicted} on {day} after a trial for {crime} in {city} / a
        [court|jury] in {city} that tried {person} for {crime} [decided|ruled] on {day} that the accused was
        {convicted} / in {city}, where {person} stood trial for {crime}, the accused was {convicted} on {day}""",
        """{person} was {convicted} / {person} was {convicted} in {city} / {person} [stood trial|was in court] for
            {crime} / on {day}, {person} was {convicted}""",
        """the trial of {person} lasted {few} weeks / {person} has {few} children / the family of {person} waited
            outside the court / {person} used to work for {company} / {person} will move to {city2} next year""",
        """{person} has never been in court / the trial of {person} was [postponed|cancelled] / the jury could not
            agree on {person}""",
        """crime: what was {person} on trial for? / city: in which city did {person} stand trial? / day: on which day
            did the trial of {person} end?""",
    ),
    Frame("beat",
        """{team} {beat} {team2} {score} in {city} on {day} / in a [game|match] in {city} on
        {day}, {team} {beat} {team2} by a score of {score} / on {day}, {team} {beat} {team2} in {city}, and the final
        score was {score}""",
        """{team} {beat} {team2} / {team} {beat} {team2} on {day} / {team} [played against|met] {team2} in {city} / in
            {city}, {team} {beat} {team2}""",
        """{team} have a new coach from {city2} / the coach of {team} was angry with the referee / {count} thousand
            people watched {team} / {team} will play in {city2} next week / {person} scored for {team}""",
        """{team} and {team2} have never [met|played] / the [game|match] between {team} and {team2} was
            [cancelled|postponed] / the [game|match] between {team} and {team2} ended in a draw""",
        """score: what was the final score when {team} played {team2}? / city: in which city did {team} play {team2}? /
            day: on which day did {team} play {team2}?""",
    ),
    Frame("harmed",
        """{disaster} struck {city} on {day}, and {count} people were {harmed} / {count}
        people were {harmed} on {day} in {disaster} in {city} / in {city}, {count} [people|residents] were {harmed}
        when there was {disaster} on {day}""",
        """people were {harmed} in {city} / there was {disaster} in {city} / {count} people were {harmed} / on {day},
            people were {harmed} in {city}""",
        """the mayor of {city} was on holiday / {count2} [shops|houses] in {city} belong to {person} / {city} is
            popular with tourists / the people of {city} had voted for a new mayor / {person} has lived in {city} for
            {few} years""",
        """nobody was {harmed} in {city} / it was a quiet [week|day] in {city} without any accident / no one in {city}
            was in danger on {day}""",
        """count: how many people were {harmed} in {city}? / disaster: what happened in {city} on {day}? / day: on
            which day did the accident in {city} happen?""",
    ),
    Frame("found",
        """{experts} in {city} {found} that {claim}, a [journal|newspaper] reported on {day}
        / on {day}, {experts} from {city} said they {found} that {claim} / in a [report|study] that came out on {day},
        {experts} from {city} {found} that {claim}""",
        """{experts} from {city} {found} that {claim} / {experts} {found} that {claim} / a [report|study] by {experts}
            {found} that {claim}""",
        """the {experts} in {city} were paid by {company} / the {experts} in {city} worked at night / one of the
            {experts} was born in {city2} / {person} is the leader of the {experts} / the work of the {experts} took
            {few} years""",
        """no [report|study] has been published by {experts} in {city} / {experts} in {city} have never asked whether
            {claim} / nobody in {city} has studied whether {claim}""",
        """claim: what was the study by the {experts} from {city} about? / city: in which city did the {experts} work?
            / day: on which day did the {experts} report their results?""",
    ),
    Frame("bought",
        """{person} {bought} {item} at {shop} in {city} for {price} / at {shop} in {city},
        {person} {bought} {item} for {price} / for {price}, {person} {bought} {item} at {shop} in {city}""",
        """{person} {bought} {item} / {person} {bought} something / {person} {bought} something in {city} / {person}
            was at {shop} in {city}""",
        """{person} is married to {person2} / {person} has {few} brothers and sisters / {person} works for {company} /
            {person} likes to [sing|dance] on {day} / {person} also speaks {few} languages""",
        """{person} has never been to {city} / {person} has never owned {item} / {person} refused to go to {shop}""",
        """price: for how many dollars did {person} trade {item}? / city: in which city did {person} go to {shop}? /
            item: what did {person} trade at {shop} in {city}?""",
    ),
    Frame("arrived",
        """{person} {arrived} {city} {ride} on {day} to {purpose} / on {day}, {person}
        {arrived} {city} {ride} in order to {purpose} / wanting to {purpose}, {person} {arrived} {city} {ride} on
        {day}""",
        """{person} {arrived} {city} / {person} {arrived} {city} {ride} / {person} wanted to {purpose} / on {day},
            {person} {arrived} {city}""",
        """{person} has {few} cousins / the [trip|journey] of {person} cost {price} / {person} works for {company} /
            {person} was with {person2} / {person} wore {wearing}""",
        """{person} has never [travelled|gone anywhere] / {person} stayed at home on {day} / {person} did not want to
            {purpose}""",
        """ride: how did {person} travel on {day}? / purpose: why did {person} travel {ride}? / day: on which day did
            {person} travel {ride}?""",
    ),
    Frame("outside",
        """{someone} with {wearing} is {doing} {outside} / {someone} who wears {wearing} is
        {outside} and is {doing} / {outside}, {someone} in {wearing} is {doing}""",
        """{someone} is {doing} / {someone} is {outside} / a person is {doing} {outside} / a person is {outside}""",
        """{someone} is waiting for a friend / {someone} comes from {city} / {someone} will go home on {day} /
            {someone} wants to buy {item} / {someone} has {few} children""",
        """{someone} is asleep / nobody is {doing} / there is no one {outside}""",
        """doing: what is {someone} doing? / wearing: what is {someone} wearing? / outside: where is {someone}?""",
    ),
)  # fmt: skip

# One construction each: acceptable * unacceptable * unacceptable.
ACCEPTABILITY = """
the {human}s near the {human2} were {mood} {when} * the {human}s near the {human2} was {mood} {when}
the {human} [behind|next to] the {human2}s was {mood} * the {human} [behind|next to] the {human2}s were {mood}
{woman} has {seen} the {thing} {when} * {woman} has {saw} the {thing} {when} * {woman} have {seen} the {thing} {when}
{woman} {liked} herself {when} * {woman} {liked} himself {when} * herself {liked} {woman} {when}
{man} {liked} himself {when} * {man} {liked} herself {when} * {man} {liked} hisself {when}
the {human} put the {thing} on the {place} * the {human} put on the {place} * the {human} put the {thing} {mood}
the {human} {slept} {when} * the {human} {slept} the {thing} {when} * {slept} the {human} {when}
the {human} {saw} the {like} {thing} * the {human} the {like} {thing} {saw} * the {human} {saw} the {thing} {like}
what did {man} {see} {when}? * what did {man} {see} the {thing} {when}? * what did {man} {saw} {when}?
there was a {thing} on the {place} {when} * there were a {thing} on the {place} {when} * there a {thing} was on the {place}
these {thing}s were on the {place} {when} * this {thing}s were on the {place} {when} * these {thing} were on the {place} {when}
the {thing} is {like}er than the {thing2} * the {thing} is more {like}er than the {thing2} * the {thing} is {like} than the {thing2}
does the {human} like the {thing}? * does the {human} likes the {thing}? * likes does the {human} the {thing}?
the {thing} was {seen} by {woman} {when} * the {thing} was {saw} by {woman} {when} * the {thing} {seen} was {woman} by
{man} wants to {see} the {thing} {when} * {man} wants {see} the {thing} {when} * {man} wants to {saw} the {thing} {when}
{woman} can {see} the {thing} {when} * {woman} can to {see} the {thing} {when} * {woman} cans {see} the {thing} {when}
the {human} that {man} {liked} was {mood} {when} * the {human} that {man} {liked} her was {mood} * the {human} that {man} {liked} {when}
nobody has ever {seen} the {like} {thing} * somebody has ever {seen} the {like} {thing} * nobody ever has the {like} {thing} {seen}
she gave him the {like} {thing} {when} * her gave him the {like} {thing} {when} * she gave he the {like} {thing} {when}
{woman} enjoys {seeing} the {thing}s * {woman} enjoys to {see} the {thing}s * {woman} enjoys {see} the {thing}s
both {woman} and {man} were {mood} {when} * both {woman} or {man} were {mood} {when} * both {woman} and {man} was {mood} {when}
it seems that {man} {slept} {when} * {man} seems that {slept} {when} * it seems {man} to {slept} {when}
{woman} persuaded {man} to {see} the {thing} * {woman} hoped {man} to {see} the {thing} * {woman} persuaded to {see} the {thing}
who do you think {liked} {man} {when}? * who do you think that {liked} {man} {when}? * who think you {liked} {man} {when}?
many of the {like} {thing}s were {seen} * much of the {like} {thing}s were {seen} * many of the {like} {thing} were {seen}
{man} is afraid of the {human} {when} * {man} is afraid the {human} {when} * {man} afraid of the {human} {when}
neither {woman} nor {man} {saw} the {thing} * neither {woman} {saw} nor the {thing} {man} * neither {woman} or nor {man} {saw}
"""

# Praise; with good for bad and virtue for vice, and the other way round, each becomes blame.
REVIEWS = """a {good} {work} with a {good2} {part} / the {part} is {good} and the {part2} is {good2} / a {good}, {good2} and {good3} {work} /
for all its {vice}, the {work} is {good} {who} / the {part} may be {bad}, but this {work} is {good} {who} / not one {bad} minute in this
{work}, and the {part} is {good} / full of {virtue}, with a {good} {part} and a {good2} {part2} / far from {bad}, the {part} is {good} /
i expected a {bad} {work} and got a {good} one {who} / it has {virtue}, {virtue2} and a {good} {part} / anything but {bad}, this {work} is
{good} {who} / what could have been a {bad} {work} turns into something {good} {who} / the {part} never becomes {bad}, and the {work} stays
{good} to the end / despite its {vice}, the {part} makes this {work} {good} {who}"""

# Families of intents that ask about the same things; one intent a line, its wordings are duplicates of each other.
QUESTIONS = (
    """how can I learn {skill} {how} in {city}? / what is the best way to learn {skill} {how} in {city}? / how do I teach myself {skill} {how} in {city}?
    how long does it take to learn {skill} {how} in {city}? / how many [months|weeks] will I need to learn {skill} {how} in {city}?
    is it worth learning {skill} {how} in {city}? / does it make sense to learn {skill} {how} in {city}? / should I bother to learn {skill} {how} in {city}?
    what does it cost to learn {skill} {how} in {city}? / how much money will I need to learn {skill} {how} in {city}?
    why is it hard to learn {skill} {how} in {city}? / what makes it so difficult to learn {skill} {how} in {city}?""",
    """what are the best places to see in {city} {trip} in {month}? / where should I go in {city} {trip} in {month}? / what is worth seeing in {city} {trip} in {month}?
    how much money do I need in {city} {trip} in {month}? / what does a stay in {city} cost {trip} in {month}? / how expensive is {city} {trip} in {month}?
    is it safe to travel to {city} {trip} in {month}? / is {city} a dangerous place to visit {trip} in {month}? / how risky is a visit to {city} {trip} in {month}?
    where can I find a hotel in {city} {trip} in {month}? / what is a good place to stay in {city} {trip} in {month}?
    what do people eat in {city} {trip} in {month}? / which dishes should I try in {city} {trip} in {month}? / what food is popular in {city} {trip} in {month}?""",
    """why is the {device} of my {kin} so loud {use}? / what makes the {device} of my {kin} so noisy {use}?
    how can I repair the {device} of my {kin} {use}? / how do I fix the {device} of my {kin} {use}?
    which {device} should my {kin} buy {use}? / what is the best {device} for my {kin} {use}? / can you recommend a good {device} to my {kin} {use}?
    how much does the {device} of my {kin} cost {use}? / what is the price of the {device} of my {kin} {use}?
    how do I clean the {device} of my {kin} {use}? / what is the best way to get the {device} of my {kin} clean {use}?""",
)

# The two that a sentence names, A and B; the sentence, whose ~ is both the pronoun and its reason; reasons of A * of B.
PRONOUNS = """
object, room: {name}'s A did not fit into the B because ~ * was too [big|large|wide] * was too [small|narrow|tiny]
vehicle, vehicle2: near {city}, the A overtook the B because ~ * was [so|very] [fast|quick] * was [so|very] slow
name, name2: A thanked B because ~ * [was grateful|had been helped] * [had been kind|gave good advice]
name, name2: A asked B for help because ~ * [had a problem|could not do it alone] * [knew the answer|was an expert]
name, name2: A lent money to B because ~ * [was generous|had enough] * [was poor|had lost a wallet]
name, name2: A envied B because ~ * [was unhappy|had failed] * [was successful|had won]
name, name2: A beat B at [chess|tennis] because ~ * [trained hard|played well] * [made a mistake|played badly]
name, name2: A punished B because ~ * [was strict|was in a rage] * [told a lie|broke a window]
"""
