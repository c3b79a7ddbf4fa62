"""The words and sentences of the `sample:` corpus. Everything here is made up: firms, people and events do not exist.

A word class is a list of concepts, a concept a list of wordings that mean the same: `rose/climbed; fell/dropped`.
In a sentence `{moved}` is a fact (one concept in any of its wordings), `{team2}` a second, different fact of a class,
and `[game|match]` a wording that is free each time. So
    {team} {beat} {team2} in the [game|match]    ->    The Rovers defeated the Lions in the match.
A change to any line changes the corpus: bump `sample.VERSION`.
"""

from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Frame(NamedTuple, Generic[T]):
    """One kind of event. `turn` is the fact that has an opposite."""

    turn: str
    says: T  # the whole event; any two of these are paraphrases
    implied: T  # follows from it
    unsaid: T  # may be true or not
    denial: T  # cannot be true with it
    asks: T  # questions, each after the fact that answers it


_WOMEN = "Anna; Maria; Clara; Julia; Laura; Helen; Ruth; Nina; Emma; Alice; Diane; Grace; Paula; Sarah; Vera; Linda"
_MEN = "Peter; Martin; Paul; David; Thomas; Frank; Oscar; Simon; Victor; Walter; Daniel; George; Henry; Louis; Carl"
_LAST = "Keller Porter Lang Moreno Fischer Bennett Novak Castle Hughes Marsh Okafor Palmer Quinn Rossi Tanaka Grant Dow"
_FIRMS = "Northwind Halden Altona Brightwell Corvan Delmar Estral Fairmont Granville Hollis Kestrel Lorimer Meridian"
_TRADES = "Foods; Motors; Energy; Airlines; Bank; Software; Steel; Hotels; Media; Chemicals"
_SMALL = "two/2; three/3; four/4; five/5; six/6; seven/7; eight/8; nine/9; ten/10; eleven/11; twelve/12"

WORDS: dict[str, str] = {
    "woman": _WOMEN,
    "man": _MEN,
    "name": f"{_WOMEN}; {_MEN}",
    "person": "; ".join(f"{first} {last}" for first in f"{_WOMEN}; {_MEN}".split("; ") for last in _LAST.split()),
    "company": "; ".join(f"{firm} {trade}" for firm in _FIRMS.split() for trade in _TRADES.split("; ")),
    "percent": "; ".join(map(str, range(2, 40))),
    "count": "; ".join([_SMALL, *map(str, range(13, 90))]),
    "few": "two/2; three/3; four/4; five/5; six/6; seven/7",
    "price": "; ".join(f"{n} dollars/${n}" for n in range(15, 400, 5)),
    "score": "; ".join(f"{n}-{m}" for n in range(2, 10) for m in range(n)),
    "day": "Monday; Tuesday; Wednesday; Thursday; Friday; Saturday; Sunday",
    "month": "January; February; March; April; May; June; July; August; September; October; November; December",
    "city": """London; Paris; Boston; Chicago; Berlin; Madrid; Rome; Vienna; Toronto; Sydney; Seattle; Denver; Dublin;
        Lisbon; Oslo; Prague; Athens; Houston; Detroit; Atlanta; Warsaw; Zurich; Cairo; Mumbai; Tokyo; Lima; Havana""",
    "team": """the Lions; the Rovers; the Eagles; the Sharks; the Bears; the Falcons; the Rangers; the Tigers; the
        Giants; the Comets; the Kings; the Pirates; the Wolves; the Hawks; the Bulls; the Stars; the Dragons""",
    "moved": "rose/climbed/gained/went up; fell/dropped/slid/went down",
    "news": """reported a higher profit/said its profit had grown; lost a large contract/said it had lost a big
        contract; cut its forecast/lowered its forecast; agreed to buy a rival/announced the purchase of a competitor;
        opened a new factory/started production at a new plant; announced job cuts/said it would lay off workers;
        settled a lawsuit/ended a legal dispute; named a new chief executive/appointed a new CEO""",
    "convicted": "convicted/found guilty; acquitted/cleared/found innocent",
    "crime": """murder/killing a man; fraud/cheating investors; armed robbery/robbing a bank; tax evasion/not paying
        taxes; bribery/paying bribes; arson/setting fire to a house; spying/espionage; car theft/stealing cars;
        perjury/lying to a judge; smuggling/bringing in illegal goods; kidnapping/abducting a child""",
    "beat": "beat/defeated/won against; lost to/were beaten by/were defeated by",
    "harmed": "killed; rescued/saved/brought to safety",
    "disaster": """a storm/a hurricane; a flood/a flash flood; an earthquake/a quake; a fire/a blaze; a landslide/a
        mudslide; an explosion/a blast; a train crash/a railway accident; an avalanche; a bus accident/a bus crash""",
    "arrived": "arrived in/came to/reached; left/departed from/went away from",
    "ride": "by train/on a train; by plane/on a flight; by car/in a car; by bus/on a bus; by boat/on a ferry",
    "purpose": """see a sister/visit a sister; look for work/find a job; study law/become a lawyer; sell a house/find a
        buyer for a house; see a doctor/visit a doctor; write a book/work on a novel; meet an old friend/see a friend
        again; go fishing/catch fish""",
    "someone": """a man/a guy; a woman/a lady; a boy/a young boy; a girl/a little girl; an old man/an elderly man; a
        soldier; a student; a farmer; a worker/a laborer; a nurse; a dancer; a tourist/a traveller""",
    "doing": """playing the guitar/playing a guitar; riding a horse/on a horse; eating a sandwich/having a sandwich;
        reading a book/looking into a book; cooking dinner/preparing a meal; cutting wood/chopping wood; washing a
        dog/bathing a dog; painting a wall/putting paint on a wall; taking photos/taking pictures; fixing a
        bicycle/repairing a bike; drinking water/having some water; singing a song/singing; running/jogging""",
    "outside": "outside/outdoors/in the open air; inside/indoors/in a room",
    "wearing": "a red shirt; a blue jacket; a black hat; a white dress; a green sweater; sunglasses; a scarf",
    "human": """student; teacher; doctor; lawyer; neighbour; painter; farmer; pilot; singer; writer; baker; driver;
        waiter; guest; sailor; actor; king; girl; boy; visitor; manager; cook; judge; nurse; soldier; dentist; poet;
        clerk; hunter; banker; tailor""",
    "thing": """letter; book; picture; key; cake; ticket; coat; map; bottle; lamp; chair; hat; bag; report; ring; cup;
        newspaper; stone; photograph; basket; plate; candle; flower; pencil; guitar; toy; clock; pillow; painting""",
    "place": "table; shelf; floor; bed; roof; bench; desk; grass; counter; stairs; wall; sofa; street; balcony",
    "like": "tall; old; cheap; small; clean; strong; dark; warm; rich; young; quick; loud; soft; light; thick",
    "mood": "happy; tired; angry; ready; proud; hungry; nervous; quiet; late; polite; busy; calm; ill; careful; alone",
    "see": "see; take; break; steal; choose; draw; hide; forget; drop; buy; sell; find; carry; clean",
    "seen": "seen; taken; broken; stolen; chosen; drawn; hidden; forgotten; thrown; given away",
    "saw": "saw; took; broke; stole; chose; drew; hid; forgot; threw; gave away",
    "slept": "slept; laughed; arrived; disappeared; sneezed; coughed; yawned; smiled; fell; waited; died; wept",
    "liked": "admired; thanked; called; invited; visited; followed; helped; praised; hurt; blamed; described",
    "when": "yesterday; last week; this morning; in the evening; on Sunday; again; at noon; after lunch",
    "work": """film; movie; comedy; thriller; drama; documentary; romance; western; sequel; remake; cartoon;
        adaptation; mystery; picture; horror film; love story; family film; crime story; musical; debut""",
    "part": """script; plot; ending; story; cast; lead actor; first half; second half; opening; soundtrack; premise;
        hero; finale; villain; screenplay; lead actress; setting; performance; tone; message; style; dialogue""",
    "good": """charming; funny; moving; brilliant; engaging; clever; touching; delightful; gripping; beautiful; witty;
        smart; warm; superb; refreshing; wonderful; enjoyable; powerful; graceful; thoughtful; entertaining; hilarious;
        fascinating; elegant; heartfelt; lively; stunning; satisfying; sweet; sincere; original; imaginative""",
    "bad": """dull; boring; tedious; clumsy; predictable; lifeless; silly; bland; awful; tiresome; messy; shallow;
        stupid; flat; annoying; pretentious; forgettable; painful; weak; contrived; dreadful; lazy; hollow; stale;
        sloppy; pointless; confusing; dreary; lame; empty; incoherent; ugly; cold; unfunny""",
    "virtue": """charm; wit; warmth; energy; intelligence; heart; suspense; imagination; grace; insight; tenderness;
        passion; beauty; humor; depth; spirit; magic; good ideas; emotional power""",
    "vice": """clichés; noise; bad jokes; sentimentality; plot holes; empty talk; violence; confusion; boredom;
        stereotypes; vulgarity; silliness; flaws; cheap tricks; stale gags; mistakes; stiff acting; dead spots""",
    "who": "for anyone; for me; for fans of the genre; for the audience; for children; for most adults; for once",
    "skill": """Spanish; French; German; Japanese; Chinese; the piano; the guitar; the violin; chess; cooking;
        swimming; dancing; drawing; photography; programming; statistics; algebra; physics; yoga; tennis; golf""",
    "how": """as a beginner; at home; without a teacher; in one year; as an adult; online; with little money; at night;
        in a group; alone; with friends; during the holidays; after work; at school; at the age of fifty""",
    "trip": """with children; on a small budget; as a student; for a weekend; alone; by bicycle; without a car; as a
        tourist; in one day; at night; as a pensioner; with a dog; on a business trip; with a baby; by train""",
    "device": """phone/mobile phone; laptop/notebook computer; printer; camera; washing machine/washer; car/automobile;
        bicycle/bike; tablet; fridge/refrigerator; television/TV; watch; dishwasher; stove; vacuum cleaner""",
    "use": """in winter; in summer; at home; at the office; on a boat; in the countryside; in a small flat; in a hotel;
        abroad; at school; in a hot country; in a shop; in a cold house; in a tent""",
    "room": "suitcase; car; van; box; room; drawer; bag; cellar; garage; elevator; hall; cabin; trunk; shed; truck",
    "vehicle": "bus; truck; van; train; taxi; tractor; motorcycle; car; ambulance; tram; jeep; cyclist; horse; boat",
}

FRAMES: tuple[Frame[str], ...] = (
    Frame("moved",
        """{company} shares {moved} {percent} percent on {day} after the company {news} / on {day}, the stock of
            {company}, which {news}, {moved} by {percent} percent / after {company} {news}, its share price {moved}
            {percent} percent on {day}""",
        """{company} shares {moved} / the stock of {company} {moved} on {day} / the share price of {company} {moved}
            [this week|within a day] / {company} {news}""",
        """{company} will build a factory in {city} / {company} is the largest firm in {city} / {company} has been
            popular with [banks|investors] for {few} years / {company} may move to {city}""",
        """{company} shares did not [move|change] on {day} / the stock of {company} was not traded on {day} / {company}
            has never had any shares""",
        """percent: by what percentage did {company} shares [move|change] on {day}? / news: what did {company} do
            before its shares {moved}? / day: on which day did the stock of {company} [move|change]?"""),
    Frame("convicted",
        """{person} was {convicted} on {day} after a trial for {crime} in {city} / a [court|jury] in {city} that tried
            {person} for {crime} [decided|ruled] on {day} that the accused was {convicted} / in {city}, where {person}
            stood trial for {crime}, the accused was {convicted} on {day}""",
        """{person} was {convicted} / {person} was {convicted} in {city} / {person} [stood trial|was in court] for
            {crime} / on {day}, {person} was {convicted}""",
        """the trial of {person} lasted {few} weeks / {person} has {few} children / {person} used to work for {company}
            / {person} will move to {city2} next year""",
        "{person} has never been in court / the trial of {person} was cancelled / the judge never met {person}",
        """crime: what was {person} on trial for? / city: in which city did {person} stand trial? / day: on which day
            did the trial of {person} end?"""),
    Frame("beat",
        """{team} {beat} {team2} {score} in {city} on {day} / in a [game|match] that ended {score}, {team} {beat}
            {team2} in {city} on {day} / on {day}, {team} {beat} {team2} in {city}, and the score was {score}""",
        """{team} {beat} {team2} / {team} {beat} {team2} on {day} / {team} [played against|met] {team2} in {city} / in
            {city}, {team} {beat} {team2}""",
        """{team} have a new coach from {city2} / {count} thousand people watched {team} / {team} will play in {city2}
            next week / {person} scored for {team}""",
        """{team} and {team2} have never [met|played] / the [game|match] between {team} and {team2} was
            [cancelled|postponed] / the [game|match] between {team} and {team2} ended in a draw""",
        """score: what was the final score when {team} played {team2}? / city: in which city did {team} play {team2}? /
            day: on which day did {team} play {team2}?"""),
    Frame("harmed",
        """{disaster} struck {city} on {day}, and {count} people were {harmed} / {count} people were {harmed} on {day}
            in {disaster} in {city} / when {disaster} hit {city} on {day}, {count} people were {harmed}""",
        """people were {harmed} in {city} / there was {disaster} in {city} / {count} people were {harmed} / on {day},
            people were {harmed} in {city}""",
        """the mayor of {city} was on holiday / {count2} [shops|houses] in {city} belong to {person} / {city} is
            popular with tourists from {city2} / {person} has lived in {city} for {few} years""",
        """nobody was {harmed} in {city} / it was a quiet [week|day] in {city} without any accident / no one in {city}
            was in danger on {day}""",
        """count: how many people were {harmed} in {city}? / disaster: what happened in {city} on {day}? / day: on
            which day did the accident in {city} happen?"""),
    Frame("arrived",
        """{person} {arrived} {city} {ride} on {day} to {purpose} / on {day}, {person} {arrived} {city} {ride} in order
            to {purpose} / wanting to {purpose}, {person} {arrived} {city} {ride} on {day}""",
        """{person} {arrived} {city} / {person} {arrived} {city} {ride} / {person} wanted to {purpose} / on {day},
            {person} {arrived} {city}""",
        """{person} has {few} children / the [trip|journey] of {person} cost {price} / {person} used to work for
            {company} / {person} was with {person2} and wore {wearing}""",
        "{person} has never travelled / {person} stayed at home on {day} / {person} did not want to {purpose}",
        """ride: how did {person} travel on {day}? / purpose: why did {person} travel {ride}? / day: on which day did
            {person} travel {ride}?"""),
    Frame("outside",
        """{someone} with {wearing} is {doing} {outside} / {someone} who wears {wearing} is {outside} and is {doing} /
            {outside}, {someone} in {wearing} is {doing}""",
        "{someone} is {doing} / {someone} is {outside} / a person is {doing} {outside} / a person is {outside}",
        """{someone} is waiting for a friend / {someone} comes from {city} / {someone} will go home on {day} /
            {someone} has {few} children""",
        "{someone} is asleep / nobody is {doing} / there is no one {outside}",
        "doing: what is {someone} doing? / wearing: what is {someone} wearing? / outside: where is {someone}?"),
)  # fmt: skip

# One construction each: acceptable * unacceptable * unacceptable.
ACCEPTABILITY = """
the {human}s near the {human2} were {mood} {when} * the {human}s near the {human2} was {mood} {when}
the {human} [behind|next to] the {human2}s was {mood} * the {human} [behind|next to] the {human2}s were {mood}
{woman} has {seen} the {thing} {when} * {woman} has {saw} the {thing} {when} * {woman} have {seen} the {thing} {when}
{woman} {liked} herself {when} * {woman} {liked} himself {when} * herself {liked} {woman} {when}
the {human} put the {thing} on the {place} * the {human} put on the {place} * the {human} put the {thing} {mood}
the {human} {slept} {when} * the {human} {slept} the {thing} {when} * {slept} the {human} {when}
the {human} {saw} the {like} {thing} * the {human} the {like} {thing} {saw} * the {human} {saw} the {thing} {like}
what did {man} {see} {when}? * what did {man} {see} the {thing} {when}? * what did {man} {saw} {when}?
there was a {thing} on the {place} {when} * there were a {thing} on the {place} * there a {thing} was on a {place}
these {thing}s were on the {place} {when} * this {thing}s were on the {place} {when} * these {thing} were on the {place}
a {thing} is {like}er than a {thing2} * a {thing} is more {like}er than a {thing2} * a {thing} is {like} than a {thing2}
does the {human} like the {thing}? * does the {human} likes the {thing}? * likes the {human} the {thing}?
the {thing} was {seen} by {woman} {when} * the {thing} was {saw} by {woman} {when} * the {thing} {seen} was {woman} by
{man} wants to {see} the {thing} {when} * {man} wants {see} the {thing} {when} * {man} wants to {saw} the {thing} {when}
{woman} can {see} the {thing} {when} * {woman} can to {see} the {thing} {when} * {woman} cans {see} the {thing} {when}
the {human} that {man} {liked} was {mood} {when} * the {human} that {man} {liked} her was {mood}
nobody has ever {seen} the {like} {thing} * somebody has ever {seen} the {like} {thing}
she gave him the {like} {thing} {when} * her gave him the {like} {thing} {when} * she gave he the {like} {thing} {when}
both {woman} and {man} were {mood} {when} * both {woman} or {man} were {mood} {when} * both {woman} and {man} was {mood}
it seems that {man} {slept} {when} * {man} seems that {slept} {when} * it seems {man} to {slept} {when}
{man} is afraid of the {human} {when} * {man} is afraid the {human} {when} * {man} afraid of the {human} {when}
"""

# With good for bad and virtue for vice, and the other way round, each of these becomes blame.
PRAISE = """a {good} {work} with a {good2} {part} / the {part} is {good} and the {part2} is {good2} / a {good}, {good2}
    and {good3} {work} / for all its {vice}, the {work} is {good} {who} / the {part} may be {bad}, but this {work} is
    {good} {who} / not one {bad} minute in this {work}, and the {part} is {good} / full of {virtue}, with a {good}
    {part} and a {good2} {part2} / far from {bad}, the {part} is {good} {who} / I expected a {bad} {work} and got a
    {good} one {who} / it has {virtue}, {virtue2} and a {good} {part} / anything but {bad}, this {work} is {good} {who}
    / what could have been a {bad} {work} turns into something {good} {who} / the {part} never becomes {bad}, and the
    {work} stays {good} to the end / despite its {vice}, the {part} makes this {work} {good} {who}"""

# Families of intents: first how each question ends, then an intent a line, in wordings that are duplicates.
QUESTIONS = (
    """{how} in {city}?
    how can I learn {skill} / what is the best way to learn {skill} / how do I teach myself {skill}
    how long does it take to learn {skill} / how many [months|weeks] will I need to learn {skill}
    is it worth learning {skill} / does it make sense to learn {skill} / should I bother to learn {skill}
    what does it cost to learn {skill} / how much money will I need to learn {skill}
    why is it hard to learn {skill} / what makes it so difficult to learn {skill}""",
    """{trip} in {month}?
    what are the best places to see in {city} / where should I go in {city} / what is worth seeing in {city}
    how much money do I need in {city} / what does a stay in {city} cost / how expensive is a visit to {city}
    is it safe to travel to {city} / is {city} a dangerous place to visit / how risky is a visit to {city}
    where can I find a hotel in {city} / what is a good place to stay in {city}
    what do people eat in {city} / which dishes should I try in {city} / what food is popular in {city}""",
    """{use}?
    why is the {human}'s {device} so loud / what makes the {human}'s {device} so noisy
    how can I repair the {human}'s {device} / how do I fix the {human}'s {device} / how do I mend the {human}'s {device}
    what is the {human}'s {device} worth / what is the value of the {human}'s {device}
    what is the best way to clean the {human}'s {device} / how do I get dirt off the {human}'s {device}""",
)

# Two that a sentence names, and why; then reasons that speak of the first * of the second.
PRONOUNS = """
the {device} did not fit into the {room} {when} because {why} * was too [big|large] * was too [small|narrow]
the {vehicle} overtook the {vehicle2} near {city} because {why} * was [so|very] [fast|quick] * was [so|very] slow
{woman} thanked {man} {when} because {why} * [was grateful|had been helped] * [had been kind|gave good advice]
{man} asked {woman} for help {when} because {why} * [had a problem|was in trouble] * [knew the answer|was an expert]
{woman} lent money to {man} {when} because {why} * [was generous|had enough] * [was poor|had lost a wallet]
{man} envied {woman} {when} because {why} * [was unhappy|had failed] * [was successful|had won]
{name} beat {name2} at [chess|tennis] {when} because {why} * [trained hard|played well] * [was tired|played badly]
{man} punished {woman} {when} because {why} * [was strict|was in a rage] * [told a lie|broke a window]
"""
