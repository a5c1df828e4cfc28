"""What the embedded model can draw: nouns, their other names and the three drawings of each.

Drawings, all without skin tones: Fluent Emoji 3D (MIT, Microsoft; npm `@lobehub/fluent-emoji-3d`, WebP of 256² with alpha), Fluent Emoji
flat (MIT, Microsoft) and Noto Emoji (Apache-2.0, Google), both SVG in Iconify's JSON. Names, keywords and groups: Unicode CLDR by way of
`emojibase-data` (MIT; CLDR under the Unicode licence). A noun must have all three drawings.
"""
import functools, glob, io, json, os, re, shutil, tarfile, tempfile
import numpy as np

RUNS = os.environ.get("LSSGEN_RUNS", "runs")  # packages, drawings, latents and checkpoints: large, not in the repository
SIDE = 256                                    # pixels of a stored drawing
STYLES = ("3d", "flat", "noto")
PACKAGES = ("lobehub-fluent-emoji-3d", "iconify-json-fluent-emoji-flat", "iconify-json-noto", "emojibase-data")
FACES, PEOPLE, ANIMALS, FOOD, TRAVEL, ACTIVITIES, OBJECTS, SYMBOLS = 0, 1, 3, 4, 5, 6, 7, 8

# CLDR's label → what people type; the label stays a synonym. The first name is the noun's own.
NAMES = """red apple=apple|automobile=car|beer mug=beer|birthday cake=cake,birthday cake|blossom=flower,yellow flower|deciduous tree=tree|
evergreen tree=pine tree,fir tree,pine|ewe=sheep|glass of milk=milk|hot beverage=coffee,cup of coffee,hot coffee,tea|honeybee=bee|lady beetle=ladybug|
locomotive=steam train,locomotive|light bulb=light bulb,lightbulb|palm tree=palm tree,palm|panda=panda,panda face|potted plant=plant,house plant,potted plant|
red paper lantern=lantern,paper lantern|dog face=dog face,puppy|cat face=cat face,kitten,kitty|soft ice cream=ice cream,ice cream cone|ice cream=ice cream bowl,ice cream cup|
soccer ball=soccer ball,football|spiral shell=shell,seashell|t-shirt=shirt,t-shirt|wrapped gift=gift,present|two-hump camel=camel|camel=dromedary|
snowman without snow=snowman|snowman=snowman in snow|hatching chick=hatching chick|baby chick=chick,baby chick|front-facing baby chick=baby bird,chick from the front|
high-heeled shoe=high heel,heel|running shoe=sneaker,shoe,running shoe|french fries=fries,french fries,chips|gem stone=gem,diamond,jewel|hot pepper=chili pepper,chili,hot pepper|
kitchen knife=knife|motor scooter=scooter|kick scooter=kick scooter|sport utility vehicle=suv,jeep|small airplane=small plane|airplane=airplane,plane,aeroplane,jet|
top hat=hat,top hat|old key=old key|fire engine=fire truck,fire engine|passenger ship=cruise ship,ocean liner|flying saucer=ufo,flying saucer|
jack-o-lantern=pumpkin,jack-o-lantern,halloween pumpkin|television=tv,television|mobile phone=phone,smartphone,mobile phone,cell phone|telephone=telephone|
desktop computer=computer,desktop computer|laptop=laptop,notebook computer|doughnut=donut,doughnut|hamburger=burger,hamburger,cheeseburger|
cherries=cherry|grapes=grapes,grape|tangerine=orange,tangerine,mandarin|kiwi fruit=kiwi|ear of corn=corn|leafy green=lettuce,salad leaf|peanuts=peanut|
bread=bread,loaf of bread|baguette bread=baguette|cheese wedge=cheese|meat on bone=meat|poultry leg=chicken leg,drumstick|cut of meat=steak|pancakes=pancakes,pancake|
cooking=fried egg,frying pan|pot of food=stew,pot|green salad=salad|honey pot=honey,honey jar|wine glass=wine,glass of wine|cocktail glass=cocktail,martini|
tropical drink=tropical drink,cocktail with umbrella|bubble tea=bubble tea,boba|sauropod=dinosaur,brontosaurus|t-rex=t-rex,tyrannosaurus|hippopotamus=hippo,hippopotamus|
rhinoceros=rhino,rhinoceros|whale=blue whale|spouting whale=whale|tropical fish=tropical fish|blowfish=pufferfish,blowfish|lobster=lobster|
monkey=monkey|rabbit face=bunny,rabbit face|rabbit=rabbit,hare|mouse=mouse|computer mouse=computer mouse|cow face=cow face|pig face=pig face|
horse face=horse face|tiger face=tiger face|mouse face=mouse face|spider web=spider web,cobweb|paw prints=paw print,paws|maple leaf=maple leaf,autumn leaf|
herb=herb,basil|sheaf of rice=rice plant,wheat|four leaf clover=four leaf clover,lucky clover|rose=rose,red rose|sun=sun|crescent moon=moon,crescent moon|
star=star|glowing star=glowing star|droplet=drop,water drop,droplet|water wave=wave,ocean wave|snow-capped mountain=snowy mountain,mountain with snow|
mount fuji=mount fuji,fuji|house=house,home|house with garden=house with garden,cottage|hut=hut|castle=castle|japanese castle=japanese castle,pagoda|
statue of liberty=statue of liberty|high voltage=lightning,lightning bolt,thunderbolt|umbrella with rain drops=umbrella in the rain|umbrella=open umbrella|
closed umbrella=closed umbrella|umbrella on ground=beach umbrella,parasol|ringed planet=planet,saturn,ringed planet|globe showing americas=globe,earth,planet earth|
teddy bear=teddy bear,teddy|game die=dice,die|pool 8 ball=billiard ball,eight ball|video game=game controller,gamepad,controller|american football=american football|
crossed swords=swords,crossed swords|dagger=dagger,sword|bow and arrow=bow and arrow,bow|magnifying glass tilted left=magnifying glass|books=books,stack of books|
open book=open book,book|closed book=closed book,red book|studio microphone=studio microphone|microphone=microphone,mic|headphone=headphones|musical keyboard=piano,keyboard piano|
billed cap=cap,baseball cap|woman's hat=sun hat,woman's hat|rescue worker's helmet=helmet,safety helmet|man's shoe=leather shoe,man's shoe|hiking boot=boot,hiking boot|
woman's boot=woman's boot|necktie=tie,necktie|handbag=handbag|clutch bag=clutch bag,pouch|envelope=envelope,letter|money bag=money bag,bag of money|coin=coin,gold coin|
hourglass done=hourglass|alarm clock=alarm clock,clock|locked=lock,padlock|key=key|hammer=hammer|couch and lamp=couch,sofa|wastebasket=trash can,bin|
pile of poo=poop,poo|ghost=ghost|skull=skull|alien=alien|robot=robot,robot face|red heart=heart|red circle=circle,ball|red square=square|
santa claus=santa,santa claus|mage=wizard,mage|merperson=mermaid|person with crown=king,person with crown|cook=chef,cook|health worker=doctor,nurse|
older person=older person,grandparent|police officer=police officer,policeman,cop|person running=runner,person running|baby angel=angel,baby angel|
face with tears of joy=laughing face,face with tears of joy|smiling face with heart-eyes=face with heart eyes,love face|smiling face with sunglasses=cool face,face with sunglasses|
grinning face=grinning face,happy face,smiley face|slightly smiling face=smiling face,smiley|crying face=crying face,sad face|loudly crying face=sobbing face|
angry face=angry face,mad face|sleeping face=sleeping face|thinking face=thinking face|smiling face with horns=devil,devil face|partying face=party face,partying face|
cowboy hat face=cowboy|nerd face=nerd,nerd face|winking face=winking face,wink|thumbs up=thumbs up,like|waving hand=waving hand,hand wave|flexed biceps=muscle,biceps|
folded hands=folded hands,praying hands|clapping hands=clapping hands,applause|christmas tree=christmas tree,xmas tree|vertical traffic light=traffic light|
horizontal traffic light=horizontal traffic light|delivery truck=truck,delivery truck|articulated lorry=lorry,semi truck|racing car=racing car,race car|
bicycle=bicycle,bike|motorcycle=motorcycle,motorbike|ship=ship|sailboat=sailboat,sailing boat,boat|fork and knife with plate=plate,dinner plate|
police car light=siren,police light|bellhop bell=bellhop bell,service bell|bell=bell,golden bell|performing arts=theater masks,masks|artist palette=palette,paint palette|
framed picture=painting,picture frame|reminder ribbon=awareness ribbon|ribbon=ribbon,bow ribbon|sports medal=medal,gold medal|goblin=goblin|ogre=ogre,oni|
japanese dolls=japanese dolls|collision=explosion,boom|sparkles=sparkles|speech balloon=speech bubble|thought balloon=thought bubble|mantelpiece clock=mantel clock|
chart increasing=chart,line chart|bar chart=bar chart|identification card=id card|round pushpin=pin,push pin|wrench=wrench,spanner|electric plug=plug|
bathtub=bathtub,bath|shopping cart=shopping cart|luggage=suitcase,luggage|backpack=backpack,school bag|glasses=glasses,eyeglasses|fire=fire,flame|
tulip=tulip|mushroom=mushroom,toadstool|turtle=turtle,tortoise|frog=frog|bear=bear,bear face|wolf=wolf|fox=fox|lion=lion|koala=koala|eggplant=eggplant,aubergine"""

# Left out: twins of another noun, signs and letters, and what says nothing at 256 pixels.
DROPPED = set("""dotted line face|face without mouth|zzz|hundred points|anger symbol|sweat droplets|eye in speech bubble|left speech bubble|right anger bubble|
heart decoration|heart exclamation|orange heart|yellow heart|green heart|blue heart|light blue heart|purple heart|brown heart|black heart|grey heart|white heart|pink heart|
rightwards hand|leftwards hand|leftwards pushing hand|rightwards pushing hand|raised back of hand|backhand index pointing left|backhand index pointing down|middle finger|
left-facing fist|right-facing fist|black cat|guide dog|service dog|oncoming bus|oncoming police car|oncoming taxi|oncoming automobile|globe showing europe-africa|
globe showing asia-australia|map of japan|love hotel|tram car|small airplane departure|hourglass not done|new moon|waxing crescent moon|first quarter moon|waxing gibbous moon|
waning gibbous moon|last quarter moon|waning crescent moon|first quarter moon face|foggy|sun behind small cloud|sun behind large cloud|
speaker low volume|speaker medium volume|muted speaker|bell with slash|mobile phone with arrow|incoming envelope|envelope with arrow|outbox tray|inbox tray|
closed mailbox with lowered flag|open mailbox with lowered flag|chart increasing with yen|yen banknote|euro banknote|pound banknote|receipt|
magnifying glass tilted right|locked with pen|hammer and wrench|camera with flash|green book|blue book|orange book|spiral calendar|tear-off calendar|
card index|card index dividers|page with curl|optical disk|joker|flower playing cards|mahjong red dragon|cigarette|kaaba|placard|elevator|e-mail|low battery|
man: red hair|man: curly hair|man: white hair|man: bald|woman: red hair|person: red hair|woman: curly hair|person: curly hair|woman: white hair|person: white hair|
woman: bald|person: bald|person: blond hair|person gesturing no|mx claus|person feeding baby|man feeding baby|busts in silhouette|2nd place medal|3rd place medal|
motorway|hole|fog|level slider|nazar amulet|clinking beer mugs|breast-feeding|pregnant man|pregnant person|pistol|
person standing|person kneeling|person with white cane|person in motorized wheelchair|person in manual wheelchair|bust in silhouette|face with open eyes and hand over mouth"""
              .replace("\n", "").split("|"))
SHAPES = {"red circle", "red square"}  # the only symbols; colours are words of the prompt


def package(name):
    """The folder of an unpacked npm package, unpacked from its archive at first use."""
    found = [f for f in glob.glob(f"{RUNS}/npm/{name}-[0-9]*") if os.path.isdir(f)]
    if not found:
        archives = glob.glob(f"{RUNS}/npm/{name}-[0-9]*.tgz")
        if not archives:
            raise SystemExit(f"{RUNS}/npm has no {name}-*.tgz: run `npm pack` for the packages that train/run.py names")
        found = [archives[0][:-4]]
        # Under a name of its own first: two processes that begin together would otherwise read each other's half.
        part = tempfile.mkdtemp(dir=f"{RUNS}", prefix="unpack-")
        with tarfile.open(archives[0]) as t:
            t.extractall(part, filter="data")
        try:
            os.rename(part, found[0])
        except OSError:  # another was faster
            shutil.rmtree(part)
    return f"{found[0]}/package"


def plain(code):
    """A hex code sequence without variation selectors and leading zeros: the packages disagree on both."""
    return "-".join(p.lower().lstrip("0") for p in code.split("-") if p.lower() != "fe0f")


def plural(name):
    """'cherry' → 'cherries'; names of several words bend their last one, or the one before 'of', 'in', 'with'."""
    m = re.match(r"(.+?)( (?:of|in|with|from|on|for|to) .+)$", name)
    if m:
        return plural(m[1]) + m[2]
    irregular = dict(mouse="mice", man="men", woman="women", child="children", foot="feet", tooth="teeth", goose="geese", knife="knives",
                     leaf="leaves", wolf="wolves", loaf="loaves", person="people", scarf="scarves", ox="oxen")
    head, _, last = name.rpartition(" ")
    head = head + " " if head else ""
    if last in irregular:
        return head + irregular[last]
    if last in ("bus", "minibus", "trolleybus", "octopus", "cactus", "lotus", "hibiscus", "microbus", "pegasus", "moai", "venus"):
        return name + "es"
    if last in ("sheep", "deer", "fish", "squid", "shrimp", "bison", "dice", "sushi", "popcorn", "salt", "bacon", "ice", "lightning") or re.search(r"[^s]s$", last):
        return name
    if re.search(r"(s|x|z|ch|sh)$", last):
        return name + "es"
    if last in ("tomato", "potato", "mango", "volcano", "mosquito"):
        return name + "es"
    return re.sub(r"y$", "ies", name) if re.search(r"[^aeiou]y$", last) else name + "s"


def is_plural(name):
    """Whether a name says several already ("socks", "two hearts")."""
    return name.endswith("s") and plural(name) == name


@functools.cache
def catalogue():
    """[{name, names, keywords, code, group, weight, flat, noto}] sorted by code: names are synonyms, the first is the noun's own."""
    base = f"{package('emojibase-data')}/en"
    codes = [json.load(open(f"{base}/shortcodes/{n}.json")) for n in ("github", "iamcal", "cldr")]
    three = {plain(f[:-5]): f for f in os.listdir(f"{package('lobehub-fluent-emoji-3d')}/assets")}
    sets = [{plain(k): v for k, v in json.load(open(f"{package(p)}/chars.json")).items()} for p in ("iconify-json-fluent-emoji-flat", "iconify-json-noto")]
    special = dict((a.strip(), b.split(",")) for a, b in (e.split("=") for e in NAMES.replace("\n", "").split("|")))
    clean = lambda s: re.sub(r"\s+", " ", s.lower().replace("’", "'").replace("ñ", "n").replace("_", " ").replace(":", "").replace(",", "").strip())
    rows = []
    for e in json.load(open(f"{base}/data.json")):
        group, code, label = e.get("group"), plain(e["hexcode"]), e["label"].lower().replace("’", "'")
        if group not in (FACES, PEOPLE, ANIMALS, FOOD, TRAVEL, ACTIVITIES, OBJECTS) and label not in SHAPES:
            continue
        if label in DROPPED or "gender" in e or "o'clock" in label or re.search(r"-thirty|^twelve|facing right|^(wo)?man (?!(feeding|dancing))", label) or "suit" in label and "swim" not in label:
            continue
        if code not in three or any(code not in s for s in sets):
            continue
        names = list(special.get(label, [clean(label)]))
        for n in [clean(label)] + [clean(s) for t in codes for s in np.atleast_1d(t.get(e["hexcode"], [])).tolist()]:
            if n not in names and re.fullmatch(r"[a-z][a-z' -]*", n) and n.count(" ") < 4:
                names.append(n)
        weight = {FACES: 0.45, PEOPLE: 0.45, SYMBOLS: 2.0}.get(group, 1.0) * (1.6 if label in special and group > 1 else 1)
        rows.append(dict(label=label, names=names, sure=len(special.get(label, [0])), keywords=[clean(t) for t in e.get("tags", [])], code=code, group=group,
                         weight=weight, file=three[code], flat=sets[0][code], noto=sets[1][code]))
    # One meaning for a name: of the noun that lists it first; a keyword counts only where one noun alone has it.
    owner = {}
    for depth in range(12):
        for i, r in enumerate(rows):
            if depth < len(r["names"]):
                owner.setdefault(r["names"][depth], i)
    used = {}
    for r in rows:
        for k in set(r["keywords"]):
            used[k] = used.get(k, 0) + 1
    for i, r in enumerate(rows):
        r["names"] = [n for n in r["names"] if owner[n] == i]
        r["keywords"] = [k for k in r["keywords"] if used[k] == 1 and k not in owner and re.fullmatch(r"[a-z][a-z-]+", k)]
    rows = [r for r in rows if r["names"]]
    for r in rows:
        r["name"] = r["names"][0]
    return sorted(rows, key=lambda r: r["code"])


@functools.cache
def vectors():
    """{"flat" | "noto": icon name → SVG text at a wanted size, by a function of (name, pixels)}."""
    out = {}
    for style, name in (("flat", "iconify-json-fluent-emoji-flat"), ("noto", "iconify-json-noto")):
        d = json.load(open(f"{package(name)}/icons.json"))
        out[style] = (d["icons"], d.get("width", 16), d.get("height", 16))
    return out


def rasterise(style, icon, side):
    """An SVG drawing as uint8 [side, side, 4], alpha not premultiplied."""
    import resvg_py
    from PIL import Image
    icons, w, h = vectors()[style]
    v = icons[icon]
    svg = (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {v.get("width", w)} {v.get("height", h)}" '
           f'width="{side}" height="{side}">{v["body"]}</svg>')
    return np.asarray(Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side)))).convert("RGBA").resize((side, side)))


@functools.cache
def drawings():
    """uint8 [style, noun, SIDE, SIDE, 4], mapped from a file that is made at first use (a minute): processes share its pages."""
    from PIL import Image
    rows, path = catalogue(), f"{RUNS}/drawings.u8"
    shape = (len(STYLES), len(rows), SIDE, SIDE, 4)
    if not os.path.exists(path) or os.path.getsize(path) != int(np.prod(shape)):
        out = np.memmap(path + ".part", np.uint8, "w+", shape=shape)
        for i, r in enumerate(rows):
            x = Image.open(f"{package('lobehub-fluent-emoji-3d')}/assets/{r['file']}").convert("RGBA")
            out[0, i] = np.asarray(x if x.size == (SIDE, SIDE) else x.resize((SIDE, SIDE), Image.LANCZOS))
            for j, style in enumerate(STYLES[1:], 1):
                out[j, i] = rasterise(style, r[style], SIDE)
        out.flush()
        os.replace(path + ".part", path)
    return np.memmap(path, np.uint8, "r", shape=shape)


if __name__ == "__main__":
    rows = catalogue()
    print(len(rows), "nouns")
    for r in rows:
        print(r["name"], "|", ", ".join(r["names"][1:]), "|", ", ".join(r["keywords"]))
    print(drawings().shape)
