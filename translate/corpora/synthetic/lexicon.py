"""The words of the synthetic corpus: each English word has one German translation.

Tables are text, a word a line, in the order in which a dictionary lists the forms. An underscore is a space
inside a group of words, `-` a form that does not exist.
"""

from translate.corpora.synthetic.forms import Adjective, Determiner, Noun, Pronoun, Slot, Verb


def _rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines()]


def _nouns(table: str) -> list[Noun]:
    columns = {"der": 0, "die": 1, "das": 2}
    return [Noun(en, many, columns[article], *de) for en, many, article, *de in _rows(table)]


def parse_slot(text: str) -> Slot:
    """Read `for>auf+acc:person,thing`, or `acc:thing` where there is no preposition."""
    prepositions, _, rest = text.rpartition("+")
    en, _, de = prepositions.partition(">")
    case, _, kinds = rest.partition(":")
    return Slot(en.replace("_", " "), de, "dat" if case == "dat" else "acc", tuple(kinds.split(",")))


def _verbs(table: str) -> list[Verb]:
    verbs = []
    for line in table.strip().splitlines():
        en, de, slots = (part.split() for part in line.split("|"))
        base, *particle = en[0].split("+")
        infinitive, third, past, auxiliary, participle = de[-5:]
        prefix, _, infinitive = infinitive.rpartition("~")
        verbs.append(
            Verb(
                en=(base, *en[1:]),
                particle=tuple(particle),
                infinitive=infinitive,
                third=third,
                past=past,
                participle=participle,
                perfect={"hat": "haben", "ist": "sein"}[auxiliary],
                prefix=prefix,
                reflexive=de[0] == "sich",
                slots=tuple(map(parse_slot, slots)),
            )
        )
    return verbs


NOUNS = {
    "person": _nouns("""
        man men der Mann Mannes Männer
        woman women die Frau Frau Frauen
        boy boys der Junge Jungen Jungen
        girl girls das Mädchen Mädchens Mädchen
        child children das Kind Kindes Kinder
        teacher teachers der Lehrer Lehrers Lehrer
        doctor doctors der Arzt Arztes Ärzte
        mother mothers die Mutter Mutter Mütter
        father fathers der Vater Vaters Väter
        sister sisters die Schwester Schwester Schwestern
        brother brothers der Bruder Bruders Brüder
        daughter daughters die Tochter Tochter Töchter
        aunt aunts die Tante Tante Tanten
        uncle uncles der Onkel Onkels Onkel
        neighbour neighbours der Nachbar Nachbarn Nachbarn
        student students der Student Studenten Studenten
        friend friends der Freund Freundes Freunde
        farmer farmers der Bauer Bauern Bauern
        baker bakers der Bäcker Bäckers Bäcker
        guest guests der Gast Gastes Gäste
        queen queens die Königin Königin Königinnen
        king kings der König Königs Könige
        customer customers der Kunde Kunden Kunden
        painter painters der Maler Malers Maler
    """),
    "animal": _nouns("""
        dog dogs der Hund Hundes Hunde
        cat cats die Katze Katze Katzen
        horse horses das Pferd Pferdes Pferde
        bird birds der Vogel Vogels Vögel
        cow cows die Kuh Kuh Kühe
        mouse mice die Maus Maus Mäuse
        bear bears der Bär Bären Bären
        duck ducks die Ente Ente Enten
    """),
    "thing": _nouns("""
        car cars das Auto Autos Autos
        bicycle bicycles das Fahrrad Fahrrades Fahrräder
        ball balls der Ball Balles Bälle
        bag bags die Tasche Tasche Taschen
        coat coats der Mantel Mantels Mäntel
        shirt shirts das Hemd Hemdes Hemden
        hat hats der Hut Hutes Hüte
        bottle bottles die Flasche Flasche Flaschen
        knife knives das Messer Messers Messer
        gift gifts das Geschenk Geschenkes Geschenke
        flower flowers die Blume Blume Blumen
        boat boats das Boot Bootes Boote
        ring rings der Ring Ringes Ringe
        picture pictures das Bild Bildes Bilder
    """),
    "furniture": _nouns("""
        table tables der Tisch Tisches Tische
        chair chairs der Stuhl Stuhles Stühle
        lamp lamps die Lampe Lampe Lampen
        clock clocks die Uhr Uhr Uhren
        key keys der Schlüssel Schlüssels Schlüssel
    """),
    "entrance": _nouns("""
        door doors die Tür Tür Türen
        window windows das Fenster Fensters Fenster
        gate gates das Tor Tores Tore
    """),
    "text": _nouns("""
        book books das Buch Buches Bücher
        letter letters der Brief Briefes Briefe
        newspaper newspapers die Zeitung Zeitung Zeitungen
        poem poems das Gedicht Gedichtes Gedichte
        contract contracts der Vertrag Vertrages Verträge
    """),
    "food": _nouns("""
        bread - das Brot Brotes -
        cheese - der Käse Käses -
        soup - die Suppe Suppe -
        meat - das Fleisch Fleisches -
        rice - der Reis Reises -
    """),
    "drink": _nouns("""
        water - das Wasser Wassers -
        milk - die Milch Milch -
        coffee - der Kaffee Kaffees -
        tea - der Tee Tees -
        beer - das Bier Bieres -
    """),
    "place": _nouns("""
        garden gardens der Garten Gartens Gärten
        kitchen kitchens die Küche Küche Küchen
        school schools die Schule Schule Schulen
        house houses das Haus Hauses Häuser
        hotel hotels das Hotel Hotels Hotels
        castle castles das Schloss Schlosses Schlösser
        church churches die Kirche Kirche Kirchen
        office offices das Büro Büros Büros
        city cities die Stadt Stadt Städte
        village villages das Dorf Dorfes Dörfer
        station stations der Bahnhof Bahnhofs Bahnhöfe
        park parks der Park Parks Parks
        forest forests der Wald Waldes Wälder
        library libraries die Bibliothek Bibliothek Bibliotheken
        museum museums das Museum Museums Museen
        theatre theatres das Theater Theaters Theater
    """),
}

# First parts of compounds; the second parts are furniture and entrances: garden door, Gartentür.
COMPOUNDS = {
    "garden": "Garten",
    "kitchen": "Küchen",
    "school": "Schul",
    "house": "Haus",
    "hotel": "Hotel",
    "castle": "Schloss",
    "church": "Kirchen",
    "office": "Büro",
}

NAMES = _rows("Anna Peter Maria Paul Laura Martin Julia Tom Emma David Clara Simon Nina Robert")[0]
CITIES = _rows("""
    Berlin=Berlin London=London Rome=Rom Prague=Prag Vienna=Wien Munich=München Cologne=Köln Geneva=Genf
""")[0]

PRONOUNS = [
    Pronoun(int(person), *forms)
    for person, *forms in _rows("""
        0 I me ich mich mir
        1 you you du dich dir
        2 he him er ihn ihm
        2 she - sie - -
        3 we us wir uns uns
        4 they them sie sie ihnen
    """)
]
REFLEXIVES = ["mich", "dich", "sich", "uns", "sich"]

DETERMINERS = [
    Determiner(en, many, de, own, adjective, int(weight))
    for en, many, de, own, adjective, weight in _rows("""
    the the - definite weak 40
    a - ein ein mixed 20
    my my mein ein mixed 7
    your your dein ein mixed 5
    his his sein ein mixed 6
    her her ihr ein mixed 6
    our our unser ein mixed 5
    this these dies strong weak 7
    every - jed strong weak 4
    - many viel strong strong 6
    - two zwei number strong 5
    - three drei number strong 5
    - five fünf number strong 5
    - ten zehn number strong 5
    - - - number strong 12
    """)
]
# The bare noun: books (Bücher), milk (Milch). Not books: keine Bücher.
BARE = DETERMINERS[-1]
NAMED = Determiner("-", "-", "-", "number", "strong", 0)  # Anna 's old dog: Annas alter Hund

_SIZES = """
    old older alt älter
    big bigger groß größer
    small smaller klein kleiner
    beautiful - schön -
"""
_PEOPLE = """
    young younger jung jünger
    clever cleverer klug klüger
    strong stronger stark stärker
    rich richer reich reicher
    poor poorer arm ärmer
    friendly - freundlich -
    tired - müde -
    famous - berühmt -
"""
_THINGS = """
    new newer neu neuer
    heavy heavier schwer schwerer
    cheap cheaper billig billiger
    red - rot -
    blue - blau -
    green - grün -
    black - schwarz -
    white - weiß -
    broken - kaputt -
"""
_MEALS = """
    fresh - frisch -
    warm - warm -
    cold - kalt -
"""
_PLACES = """
    quiet quieter still stiller
    modern - modern -
"""


def _adjectives(*tables: str) -> list[Adjective]:
    return [Adjective(*row) for table in tables for row in _rows(table)]


ADJECTIVES = {
    "person": _adjectives(_SIZES, _PEOPLE),
    "animal": _adjectives(_SIZES, "black - schwarz -", "white - weiß -"),
    "thing": _adjectives(_SIZES, _THINGS),
    "furniture": _adjectives(_SIZES, _THINGS),
    "entrance": _adjectives(_SIZES, _THINGS),
    "text": _adjectives(_SIZES, "new newer neu neuer"),
    "food": _adjectives(_MEALS),
    "drink": _adjectives(_MEALS),
    "place": _adjectives(_SIZES, _PLACES),
}

# English forms | German principal parts | objects. "-" for the -ing form: a verb of state.
VERBS = _verbs("""
    sleep sleeps slept slept sleeping | schlafen schläft schlief hat geschlafen |
    work works worked worked working | arbeiten arbeitet arbeitete hat gearbeitet |
    dance dances danced danced dancing | tanzen tanzt tanzte hat getanzt |
    sing sings sang sung singing | singen singt sang hat gesungen |
    arrive arrives arrived arrived arriving | an~kommen kommt kam ist angekommen |
    get+up gets got got getting | auf~stehen steht stand ist aufgestanden |
    hurry hurries hurried hurried hurrying | sich beeilen beeilt beeilte hat beeilt |
    rest rests rested rested resting | sich aus~ruhen ruht ruhte hat ausgeruht |
    sit+down sits sat sat sitting | sich setzen setzt setzte hat gesetzt |
    visit visits visited visited visiting | besuchen besucht besuchte hat besucht | acc:person
    love loves loved loved - | lieben liebt liebte hat geliebt | acc:person,animal
    see sees saw seen - | sehen sieht sah hat gesehen | acc:person,animal,thing
    know knows knew known - | kennen kennt kannte hat gekannt | acc:person,text
    call calls called called calling | an~rufen ruft rief hat angerufen | acc:person
    invite invites invited invited inviting | ein~laden lädt lud hat eingeladen | acc:person
    pick+up picks picked picked picking | ab~holen holt holte hat abgeholt | acc:person,thing
    look+for looks looked looked looking | suchen sucht suchte hat gesucht | acc:person,animal,thing,furniture
    wake+up wakes woke woken waking | wecken weckt weckte hat geweckt | acc:person
    feed feeds fed fed feeding | füttern füttert fütterte hat gefüttert | acc:animal
    help helps helped helped helping | helfen hilft half hat geholfen | dat:person
    thank thanks thanked thanked thanking | danken dankt dankte hat gedankt | dat:person
    follow follows followed followed following | folgen folgt folgte ist gefolgt | dat:person,animal
    listen+to listens listened listened listening | zu~hören hört hörte hat zugehört | dat:person
    buy buys bought bought buying | kaufen kauft kaufte hat gekauft | acc:animal,thing,furniture,text
    sell sells sold sold selling | verkaufen verkauft verkaufte hat verkauft | acc:animal,thing,furniture
    find finds found found - | finden findet fand hat gefunden | acc:animal,thing,furniture
    lose loses lost lost - | verlieren verliert verlor hat verloren | acc:thing,text
    need needs needed needed - | brauchen braucht brauchte hat gebraucht | acc:thing,furniture
    carry carries carried carried carrying | tragen trägt trug hat getragen | acc:thing,furniture
    clean cleans cleaned cleaned cleaning | putzen putzt putzte hat geputzt | acc:furniture,entrance
    paint paints painted painted painting | malen malt malte hat gemalt | acc:animal,person,furniture,entrance
    open opens opened opened opening | öffnen öffnet öffnete hat geöffnet | acc:entrance
    close closes closed closed closing | zu~machen macht machte hat zugemacht | acc:entrance
    throw+away throws threw thrown throwing | weg~werfen wirft warf hat weggeworfen | acc:text,thing
    write writes wrote written writing | schreiben schreibt schrieb hat geschrieben | acc:text
    sign signs signed signed signing | unterschreiben unterschreibt unterschrieb hat unterschrieben | acc:text
    eat eats ate eaten eating | essen isst aß hat gegessen | acc:food
    cook cooks cooked cooked cooking | kochen kocht kochte hat gekocht | acc:food
    drink drinks drank drunk drinking | trinken trinkt trank hat getrunken | acc:drink
    order orders ordered ordered ordering | bestellen bestellt bestellte hat bestellt | acc:food,drink
    pay+for pays paid paid paying | bezahlen bezahlt bezahlte hat bezahlt | acc:food,drink,thing
    give gives gave given giving | geben gibt gab hat gegeben | dat:person acc:thing,text
    show shows showed shown showing | zeigen zeigt zeigte hat gezeigt | dat:person acc:thing,text,entrance
    lend lends lent lent lending | leihen leiht lieh hat geliehen | dat:person acc:thing,text
    wait waits waited waited waiting | warten wartet wartete hat gewartet | for>auf+acc:person
    think thinks thought thought thinking | denken denkt dachte hat gedacht | of>an+acc:person,animal
    dream dreams dreamed dreamed dreaming | träumen träumt träumte hat geträumt | of>von+dat:person,place
    play plays played played playing | spielen spielt spielte hat gespielt | with>mit+dat:person,animal
    recall recalls recalled recalled - | sich erinnern erinnert erinnerte hat erinnert | >an+acc:person
    live lives lived lived living | wohnen wohnt wohnte hat gewohnt | in>in+dat:place,city
    come comes came come coming | kommen kommt kam ist gekommen | from>aus+dat:place,city
    go goes went gone going | gehen geht ging ist gegangen | to>zu+dat:place
    travel travels travelled travelled travelling | reisen reist reiste ist gereist | to>zu+dat:city
""")

# Verbs with a clause behind them: that (dass), whether (ob), to (zu).
THAT_VERBS = _verbs("""
    say says said said - | sagen sagt sagte hat gesagt |
    believe believes believed believed - | glauben glaubt glaubte hat geglaubt |
    hope hopes hoped hoped - | hoffen hofft hoffte hat gehofft |
    hear hears heard heard - | hören hört hörte hat gehört |
""")
WHETHER_VERBS = _verbs("""
    ask asks asked asked - | fragen fragt fragte hat gefragt |
    wonder wonders wondered wondered - | sich fragen fragt fragte hat gefragt |
""")
TO_VERBS = _verbs("""
    try tries tried tried trying | versuchen versucht versuchte hat versucht |
    promise promises promised promised - | versprechen verspricht versprach hat versprochen |
    refuse refuses refused refused - | sich weigern weigert weigerte hat geweigert |
    begin begins began begun - | an~fangen fängt fing hat angefangen |
""")

# Forms of auxiliaries, by person.
ENGLISH = {
    name: forms
    for name, *forms in _rows("""
        be am are is are are
        was was were was were were
        have have have has have have
        do do do does do do
        want want want wants want want
    """)
}
GERMAN = {
    name: forms
    for name, *forms in _rows("""
        sein bin bist ist sind sind
        war war - war waren waren
        haben habe hast hat haben haben
        werden werde wirst wird werden werden
        wurde wurde - wurde wurden wurden
        want will willst will wollen wollen
        can kann kannst kann können können
        must muss musst muss müssen müssen
        should sollte solltest sollte sollten sollten
        may darf darfst darf dürfen dürfen
        will werde wirst wird werden werden
    """)
}

# English in reading order, each group with its German: `in_the=am morning=Morgen`.
TIMES = {
    "present": [
        "every=jeden day=Tag",
        "every=jede week=Woche",
        "in_the=am morning=Morgen",
        "in_the=am evening=Abend",
        "on=am Sunday=Sonntag",
    ],
    "progressive": ["now=jetzt", "today=heute"],
    "past": [
        "yesterday=gestern",
        "last=letzte week=Woche",
        "last=letztes year=Jahr",
        "in_the=im summer=Sommer",
        "on=am Monday=Montag",
    ],
    "perfect": ["today=heute", "this=diese week=Woche"],
    "modal": [
        "tomorrow=morgen",
        "soon=bald",
        "tonight=heute_Abend",
        "next=nächstes year=Jahr",
        "on=am Friday=Freitag",
    ],
}
FREQUENCIES = ["often=oft", "always=immer", "never=nie", "sometimes=manchmal"]
EARLY = {
    "present": FREQUENCIES,
    "progressive": ["still=noch"],
    "past": FREQUENCIES,
    "perfect": ["already=schon", "often=oft", "never=nie"],
    "modal": ["probably=wahrscheinlich"],
}
MANNERS = ["quickly=schnell", "slowly=langsam", "secretly=heimlich", "alone=allein"]
DEGREES = ["very=sehr", "too=zu", "rather=ziemlich"]
POSITIONS = [
    parse_slot("in>in+dat:place"),
    parse_slot("in_front_of>vor+dat:place"),
    parse_slot("behind>hinter+dat:place"),
    parse_slot("next_to>neben+dat:place"),
]

# Preposition and article in one word.
CONTRACTIONS = {"in dem": "im", "von dem": "vom", "zu dem": "zum", "zu der": "zur"}
