"""What people call each label besides its name. Written by scripts/label_words.py.

Each line has a label, its aliases, and the other words that find it.
"""

# ruff: noqa: E501  # a label's words are on one line

from __future__ import annotations

from typing import Final

LABEL_WORDS: Final = """\
Animal|Creature;Fauna|Critter;Wildlife
Dog|Puppy;Domestic Dog|Doggy;Doggie;Pup;Pooch;Hound;Mutt;Canine
Cat|Kitten;Domestic Cat;House Cat|Kitty;Pussycat;Feline;Tomcat
Big Cat||Wildcat
Horse||Pony;Foal;Mare;Stallion;Colt;Equine
Cattle|Cow;Oxen|Bull;Calf;Bovine
Ox||Bull;Bullock
Pig|Swine;Hog|Piglet;Piggy;Sow
Wild Boar|Boar|Feral Pig
Sheep|Lamb|Ewe;Flock
Ram||Tup
Goat|Wild Goat|Billy Goat
Hen||Chicken;Pullet
Rooster|Cockerel;Cock|Chicken
Chicken||Poultry;Chick
Duck|Drake|Duckling;Mallard
Goose||Gosling
Rabbit|Bunny|Bunny Rabbit
Bird||Birdie;Songbird;Avian
Owl|Great Grey Owl;Great Gray Owl|Barn Owl;Tawny Owl
Robin|American Robin|Redbreast
Seabird||Gull;Seagull
Penguin|King Penguin|Emperor Penguin
Peacock||Peafowl;Peahen
Parrot||Budgie;Parakeet
Eagle||Golden Eagle
Bird of Prey|Raptor|Falcon;Hawk;Buzzard
Kite Bird|Kite|Hawk
Fish||Trout;Carp
Great White Shark|White Shark|Great White
Stingray||Ray;Manta Ray
Electric Ray||Ray
Jellyfish||Medusa
Turtle||Tortoise
Box Turtle|Box Tortoise|Tortoise
Frog|Toad|Tadpole;Bullfrog
Crocodile|African Crocodile;Nile Crocodile|Croc
Alligator|American Alligator|Gator
Lizard||Skink
Snake|Serpent|Viper;Adder
Horned Viper||Viper;Sand Viper
Hognose Snake||Sand Viper
Garter Snake||Grass Snake
Green Snake||Grass Snake
Boa Constrictor||Boa
Cobra|Indian Cobra|King Cobra
Dinosaur||Dino
Insect||Bug
Bee||Honeybee;Honey Bee;Bumblebee;Wasp
Beehive|Apiary|Hive
Butterfly||Moth
Beetle||Bug
Fly||Housefly
Cockroach|Roach|Bug
Spider||Arachnid
Spider Web|Spider's Web|Cobweb;Web
Tarantula||Spider
Snail||Escargot
Lobster||Crawfish
Crayfish|Crawdad|Crawfish
Spiny Lobster|Langouste;Rock Lobster|Crawfish
Bear||Bear Cub;Grizzly
Brown Bear||Grizzly;Grizzly Bear
Giant Panda|Panda Bear|Panda
Red Panda|Lesser Panda|Panda
Wolf||Wolf Pack
Fox||Vixen
Lion||Lioness
Tiger||Tigress
Leopard||Panther
Jaguar||Panther
Cougar|Puma;Mountain Lion|Panther;Catamount
Lynx||Bobcat;Catamount
Cheetah||Chetah
Elephant||Pachyderm
Rhinoceros Beetle||Stag Beetle
Ape||Great Ape
Orangutan||Orang-Outang;Orangutang
Gorilla||Silverback
Antelope||Deer
Gazelle||Deer
Impala||Deer
Bison||Buffalo;American Bison
Water Buffalo|Water Ox|Buffalo;Carabao
Llama||Alpaca
Kangaroo||Roo;Joey
Squirrel|Fox Squirrel;Eastern Fox Squirrel|Chipmunk
Hamster||Gerbil
Guinea Pig||Cavy
Rodent||Rat;Mouse
Otter||Sea Otter
Whale||Blue Whale;Humpback
Orca|Killer Whale|Dolphin
Sea Lion||Seal
Dugong||Manatee;Sea Cow
Labrador Retriever||Labrador;Lab;Yellow Lab
Golden Retriever||Goldie
Retriever||Gun Dog
German Shepherd|German Shepherd Dog;Alsatian|Police Dog
Border Collie||Sheepdog
Yorkshire Terrier||Yorkie
West Highland White Terrier||Westie
Jack-o'-Lantern||Pumpkin;Halloween Pumpkin
Siberian Husky||Sled Dog
Husky||Sled Dog;Huskie
Alaskan Malamute|Malamute|Malemute
French Bulldog||Frenchie;Bulldog
Pekingese|Peke|Pekinese
Poodle||Labradoodle
Hyena||Hyaena
Person|Human;People|Man;Woman;Child;Kid;Boy;Girl;Baby;Adult;Human Being;Somebody;Someone
Bridegroom|Groom|Bride
Wedding||Marriage
Baseball Player|Ballplayer|Batter
Scuba Diver||Diver
Clothing|Clothes;Apparel|Garment;Outfit;Attire
Dress|Frock|Sundress
Gown||Evening Gown;Ball Gown;Evening Dress
Shirt||Blouse
T-Shirt|Jersey;Tee Shirt|Tee
Sweater|Pullover;Jumper|Cardigan;Knitwear
Sweatshirt||Hoodie;Hooded Sweatshirt
Coat||Overcoat;Jacket
Trench Coat||Raincoat
Suit||Tuxedo;Suit of Clothes
Pants|Trousers|Trouser;Slacks
Jeans|Blue Jeans;Denim|Blue Jean
Underwear|Lingerie;Undergarment|Panties;Underpants;Undies
Bra|Brassiere|Brassière
Swimwear|Swimsuit;Bathing Suit;Swimming Costume;Bathing Costume|Bathers
One-Piece Swimsuit|Maillot;Tank Suit|Swimsuit
Pajamas|Pyjamas|PJs;Jammies;Pyjama;Pajama
Footwear||Shoes
Running Shoe|Sneaker;Trainer|Gym Shoe;Tennis Shoe;Sports Shoe
Sandal||Flip-Flop
Clog|Geta;Sabot|Wooden Shoe
Sock||Stocking
Hat||Cap;Headgear
Cowboy Hat|Ten-Gallon Hat|Stetson
Crash Helmet||Helmet;Motorcycle Helmet
Mitten||Mitts
Necktie|Tie;Windsor Tie|Cravat
Glasses|Spectacles;Specs;Eyeglasses|Eyeglass;Eyewear
Sunglasses|Dark Glasses;Shades|Sunglass;Sunnies
Watch|Wristwatch;Digital Watch|Timepiece;Smartwatch
Jewelry|Jewellery|Jewel;Jewels
Necklace||Pendant
Purse|Handbag|Bag;Pocketbook
Wallet|Pocketbook|Billfold
Backpack|Knapsack;Rucksack|School Bag;Haversack;Packsack
Bag||Sack
Umbrella||Parasol;Brolly
Wig||Hairpiece
Handkerchief|Hankie|Hanky;Hankey
Bib||Baby Bib
Crib|Cot|Baby Bed
Baby Bottle||Feeding Bottle
Cosmetics||Makeup;Make-Up
Perfume||Fragrance;Cologne
Vehicle||Transportation;Transport
Car|Auto;Automobile;Motorcar|Sedan;Saloon;Coupe;Hatchback
Sports Car||Sport Car
Convertible||Cabriolet
Vintage Car|Model T|Oldtimer;Classic Car;Antique Car
Race Car|Racing Car|Formula One
Station Wagon|Estate Car|Wagon;Estate
Police Van|Paddy Wagon|Wagon;Patrol Wagon
Jeep||Off-Road Vehicle;SUV;Four-Wheel Drive
Limousine|Limo|Stretch Limo
Van||Minibus
Minivan||People Carrier
Truck|Lorry|Semi;Motortruck
Semi Truck|Trailer Truck;Tractor Trailer;Articulated Lorry;Semi|Big Rig;Eighteen-Wheeler
Fire Truck|Fire Engine|Fire Brigade
Garbage Truck|Dustcart|Bin Lorry;Refuse Truck
Tow Truck|Tow Car|Breakdown Truck
Bus|Coach;Double-Decker|Motorbus;Motorcoach;Autobus;Omnibus;Charabanc
Trolleybus|Trolley Coach|Trackless Trolley
Streetcar|Tram;Tramcar;Trolley;Trolley Car|Tramway
Train||Railway;Railroad;Rail
Locomotive|Railway Locomotive|Train Engine
Electric Locomotive||Train Engine
Steam Locomotive||Steam Engine;Steam Train
Passenger Train|Passenger Car;Carriage|Railcar;Railway Carriage;Coach
Bullet Train||High-Speed Train
Freight Car||Boxcar;Goods Wagon
Bicycle|Bike|Cycle;Pushbike;Push-Bike;Pedal Cycle
Motorcycle|Motorbike;Moped|Bike
Mountain Bike|All-Terrain Bike;Off-Roader|MTB;BMX
Motor Scooter|Scooter|Vespa;Moped
Tricycle|Trike|Velocipede
Unicycle||Monocycle
Airplane|Plane;Aeroplane|Aircraft;Jet
Airliner||Jet;Jumbo Jet;Passenger Plane;Jetliner
Warplane||Fighter Jet;Jet Fighter;Military Plane
Aircraft||Helicopter;Chopper
Airship|Dirigible|Blimp;Zeppelin
Space Shuttle||Spaceship;Shuttle
Rocket||Projectile
Missile||Projectile
Boat||Rowboat;Rowing Boat;Dinghy
Sailboat|Sailing Vessel;Sailing Ship|Sailing Boat;Yacht
Speedboat||Motorboat;Motor Boat;Powerboat
Canoe||Kayak
Catamaran||Multihull
Lifeboat||Rescue Boat
Cruise Ship|Liner;Ocean Liner|Ocean Cruiser
Aircraft Carrier||Flattop
Tank|Army Tank|Armored Vehicle;Armoured Vehicle;Panzer
Tractor||Farm Tractor
Harvester|Combine Harvester|Combine;Reaper
Cart||Handcart;Wagon
Horse Cart||Carriage;Buggy
Wheelbarrow|Garden Cart;Lawn Cart|Barrow
Shopping Cart||Shopping Trolley;Supermarket Trolley;Trolley
Ambulance||Emergency Car
Recreational Vehicle|RV;Motorhome;Camper Van|Camper;Caravan
Mobile Home|Manufactured Home|Caravan;Trailer
Car Wheel||Tire;Tyre;Wheel
Car Mirror||Wing Mirror;Side Mirror;Rear-View Mirror
Seat Belt||Safety Belt
Snowmobile||Ski-Doo
Furniture||Furnishings
Couch|Sofa;Studio Couch;Day Bed|Settee;Lounge;Loveseat;Futon
Chair||Seat;Armchair;Stool
Folding Chair||Deck Chair;Camp Chair
Table||Tabletop
Dining Table||Dinner Table;Dining Room Table;Kitchen Table
Desk||Writing Desk;Writing Table
Bed||Bedstead
Bedding||Bed Linen;Bedclothes;Blanket
Quilt|Comforter|Duvet;Eiderdown;Blanket
Bookcase||Bookshelf;Bookshelves;Shelf
Cabinet||Cupboard
Wardrobe|Closet|Armoire
Dresser|Chest of Drawers;Chiffonier|Bureau
Storage Chest|Chest|Trunk
Window Shade||Blind;Window Blind
Rug|Carpet|Mat;Carpeting
Doormat|Welcome Mat|Mat
Lamp||Light
Table Lamp||Desk Lamp
Lighting||Light
Candle||Taper
Torch||Flashlight
Door||Doorway
Window||Windowpane
Bathroom|Restroom|Toilets;Washroom;Lavatory
Toilet|Toilet Seat|Loo;WC;Commode
Bathtub|Bath;Tub|Bathing Tub
Sink|Washbasin;Handbasin;Washbowl|Basin;Wash-Hand Basin
Refrigerator|Fridge|Icebox;Freezer
Stove|Cooker|Oven;Range;Hob
Microwave|Microwave Oven|Oven
Washing Machine|Washer|Laundry Machine
Dishwasher||Dishwashing Machine
Vacuum Cleaner|Vacuum|Hoover
Clothes Iron|Iron|Flat Iron;Flatiron
Trash Can|Rubbish Bin;Garbage Can;Wastebin;Dustbin;Trash Barrel;Trash Bin|Bin;Wastebasket;Waste Basket;Ashcan
Broom||Brush
Mop||Swab
Toilet Paper|Toilet Tissue;Bathroom Tissue|Loo Roll;Toilet Roll
Paper Towel||Kitchen Roll
Kitchen Utensil||Cutlery
Frying Pan|Skillet|Frypan;Pan
Cookware||Pot;Pan
Wok||Stir-Fry Pan
Cauldron||Caldron;Kettle
Teapot||Kettle
Cup||Mug;Teacup
Coffee Cup|Coffee Mug|Mug;Teacup
Drinking Glass||Tumbler
Goblet||Wine Glass;Wineglass;Chalice
Bowl||Dish
Tableware||Crockery;Dishes
Spoon||Teaspoon;Tablespoon
Bottle||Flask
Vase||Urn
Potted Plant|Flowerpot|Houseplant;Plant Pot
Clock||Timepiece
Fireplace||Hearth
Electric Fan|Fan|Blower;Ventilator
Hair Dryer|Blow Dryer|Hair Drier;Blow Drier;Hand Blower
Patio|Terrace|Porch
Fence|Fencing|Railing
Playground||Play Area
Electronics||Gadget
Computer||Computing Machine;Electronic Computer
Laptop|Laptop Computer;Notebook;Notebook Computer|MacBook
Desktop Computer|PC|Personal Computer
Computer Keyboard|Keyboard|Keypad
Monitor||Computer Screen;Screen;Display
Screen|Display|Monitor;CRT Screen
Television|TV|Telly;Television Set;TV Set
Cell Phone|Smartphone;Mobile Phone|Mobile;Cellular Phone;Cellular Telephone;Handphone;iPhone
Phone|Telephone|Telephone Set;Handset
Payphone||Telephone Booth;Phone Box;Pay-Station
Handheld Computer||PDA;Palmtop
Camera|Photographic Camera|Digital Camera
SLR Camera|Reflex Camera|DSLR;Single-Lens Reflex
Printer||Laser Printer
Photocopier|Copier|Copy Machine;Photocopy Machine
Loudspeaker|Speaker|Speaker System
Microphone|Mic|Mike
Radio||Wireless;Radio Set
Remote Control|Remote|Remote Controller;Clicker
MP3 Player|iPod|Walkman
Joystick||Gamepad;Controller
Hard Drive|Hard Disc;Hard Disk|HDD;Disk Drive
ATM|Cash Machine;Automated Teller Machine|Automatic Teller Machine;Cashpoint;Cash Dispenser;Automated Teller
Building||House;Edifice;Skyscraper
Architecture||Edifice
Church|Church Building|Cathedral;Chapel
Place of Worship||Temple;House of Worship;House of God
Mosque||Masjid
Castle||Fortress;Fort
Palace||Mansion;Chateau
Monastery||Abbey;Convent
Bridge||Footbridge
Tower||Steeple
Bell Tower|Belfry|Bell Cote;Campanile
Dam||Dike;Dyke;Weir
Pier||Wharf;Jetty
Dock||Harbor;Harbour;Marina
Breakwater|Seawall;Jetty|Groyne
Barn||Stable;Shed
Greenhouse|Glasshouse|Nursery;Hothouse;Conservatory
Shop|Store|Market;Retail Store
Grocery Store|Grocery|Supermarket;Food Market
Bakery||Bake Shop;Bakeshop
Barbershop||Barber;Hairdresser
Restaurant|Eatery|Cafe;Diner;Café
Movie Theater|Cinema;Movie Theatre|Movie House;Picture House
Library||Reading Room
Prison|Jail|Gaol
Monument||Memorial
Fountain||Water Fountain
Beach|Seaside;Seashore|Sand;Coast
Coast||Sea Coast;Seacoast;Shoreline;Seaside
Mountain||Alp;Hill;Peak
Cliff||Drop-Off;Crag
Valley|Vale|Canyon;Glen
Lake|Lakeside;Lakeshore|Pond
Volcano||Lava
Nature||Outdoors;Landscape;Scenery
Street Sign||Road Sign;Signpost
Sign||Signboard
Mailbox|Letter Box|Post Box;Postbox;Pillar Box
Tent|Mountain Tent|Camp
Camping||Campsite
Food||Foodstuff;Dish;Cuisine
Meal|Plate|Dinner;Lunch
Fast Food||Junk Food
Burger|Hamburger;Cheeseburger|Beefburger
Hot Dog||Frankfurter;Red Hot
Pizza||Pizza Pie
Pasta|Carbonara|Spaghetti;Noodles
Bread||Loaf;Loaves
Baguette|French Loaf|French Bread
Bagel||Beigel
Dessert||Cake;Pudding;Afters
Popsicle|Ice Lolly|Ice Pop;Lollipop;Lolly
Soup|Consomme|Broth;Stew
Drink|Beverage|Refreshment
Alcohol|Alcoholic Drink;Alcoholic Beverage|Booze;Liquor
Beer||Lager;Ale
Wine||Vino
Red Wine||Wine;Vino
Coffee|Java|Cappuccino;Latte
Fruit||Edible Fruit
Orange||Tangerine;Mandarin
Vegetable|Veggie|Veg
Cucumber||Cuke
Corn|Maize;Sweetcorn|Corncob;Corn on the Cob
Bell Pepper||Pepper;Capsicum
Mashed Potato||Mash
Flower||Blossom;Bloom;Tulip;Rose
Daisy||Marguerite
Plant||Flora;Vegetation
Hay|Haystack|Straw
Musical Instrument|Instrument|Music Instrument
Electric Guitar||Bass Guitar
Piano|Pianoforte|Keyboard
Grand Piano||Concert Grand
Upright Piano||Pianino
Drum||Drum Kit
Trumpet|Cornet|Horn;Bugle
French Horn||Horn
Harmonica|Mouth Organ;Mouth Harp|Harp
Wind Chime|Chime|Gong
Oboe||Hautbois
Pipe Organ|Organ|Church Organ
Sports|Sport|Athletics
Soccer Ball|Football|Soccer;Football Ball
Racket|Tennis Racket;Racquet|Badminton Racket;Squash Racket
Ski||Skiing
Gym Equipment||Fitness Equipment
Dumbbell||Weight;Weights
Barbell||Weights
Pool Table|Billiard Table;Snooker Table|Billiards;Snooker;Billiard
Hockey Puck|Puck|Ice Hockey
Puzzle||Brainteaser
Jigsaw Puzzle||Jigsaw
Toy||Plaything
Teddy Bear|Teddy|Stuffed Animal;Plush Toy;Soft Toy
Comic Book||Comic;Comics
Envelope||Letter
Ballpoint Pen|Ballpoint;Biro|Ball Pen
Eraser|Rubber Eraser;Rubber;Pencil Eraser|India Rubber
Office Supplies||Stationery
Hammer||Mallet
Hatchet||Axe;Ax
Chainsaw||Power Saw
Power Drill|Drill|Electric Drill
Lawn Mower|Mower|Grass Cutter
Shovel||Spade
Plunger||Plumber's Helper
Lighter||Cigarette Lighter;Igniter
Matchstick||Match;Matches
Gun||Firearm;Pistol;Handgun
Rifle||Firearm
Revolver|Six-Gun;Six-Shooter|Pistol;Handgun
Cannon||Artillery
Flag||Banner
Shield|Buckler|Escutcheon
Armor|Armour|Body Armor;Body Armour
Barrel|Cask|Keg
Box||Carton
Carton||Cardboard Box;Cardboard
Basket||Hand Basket
Syringe||Hypodermic
Bandage|Band Aid|Plaster
Sunscreen|Sunblock|Sun Cream;Suncream
Website|Web Page|Internet Site;Homepage
Text||Writing;Words
Christmas||Xmas
Christmas Stocking||Stocking
Weighing Scale|Scales;Scale|Weighing Machine;Bathroom Scale
Slot Machine|One-Armed Bandit|Fruit Machine
Carousel|Merry-Go-Round|Roundabout;Carrousel
Brass Instrument||Brass
Plaque||Brass
Hand Plane|Carpenter's Plane;Woodworking Plane|Plane
City|Town;Cityscape;Downtown|Urban;Metropolis
House||Home;Cottage;Villa
Skyscraper|High Rise|Tower Block
Street||Lane;Avenue;Alley
Road|Highway;Motorway|Roadway;Freeway
Forest|Woods;Woodland|Jungle;Rainforest
Tree||Palm Tree;Oak
Garden||Yard;Backyard
Grassland|Meadow;Field;Lawn|Grass;Prairie
Desert||Sand Dune;Dune
Sky|Clouds|Cloud
Sunset|Sunrise;Dusk;Dawn|Sundown
Snow||Winter
Night||Nighttime
Outer Space|Universe|Space;Galaxy
Water||River;Stream
Waterfall||Falls;Cascade
Staircase|Stairs;Stairway|Steps;Stairwell
Indoors|Interior;Room|Inside
Living Room||Lounge;Sitting Room
Kitchen||Kitchenette
Office||Workplace
Auditorium|Lecture Hall|Lecture Theatre
Museum|Art Gallery|Gallery
Concert||Gig;Live Music
Amusement Park|Theme Park;Fairground|Funfair;Carnival
Sports Field||Pitch;Stadium;Playing Field
Painting||Artwork;Canvas
Document|Page|Paper;Paperwork
Academic Gown|Academic Robe;Judge's Robe|
Accordion|Piano Accordion;Squeeze Box|
Acorn Squash||
Acoustic Guitar||
Admiral Butterfly|Admiral|
Afghan Hound|Afghan|
African Elephant||
African Grey Parrot|African Grey;African Gray|
African Wild Dog|African Hunting Dog|
Airedale Terrier|Airedale|
Airplane Wing|Wing|
Alligator Lizard||
American Lobster|Maine Lobster|
American Staffordshire Terrier|Staffordshire Terrier;American Pit Bull Terrier;Pit Bull Terrier|
Amphibious Vehicle||
Analog Clock||
Angelfish|Rock Beauty|
Angora Rabbit|Angora|
Anole|American Chameleon|
Appenzeller Mountain Dog|Appenzeller|
Apple|Granny Smith|
Appliance|Home Appliance;Household Appliance|
Arch Bridge|Steel Arch Bridge|
Archery Bow|Bow|
Arctic Fox|White Fox|
Arctic Wolf|White Wolf|
Artichoke|Globe Artichoke|
Asian Elephant|Indian Elephant|
Assault Rifle|Assault Gun|
Audio Equipment||
Australian Kelpie|Kelpie|
Australian Terrier||
Baby Products||
Balance Beam||
Bald Eagle|American Eagle|
Balloon|Hot Air Balloon|
Barber Chair||
Barn Spider||
Basset Hound|Basset|
Bearskin Hat|Bearskin;Busby|
Bedlington Terrier||
Bee-Eater||
Beer Bottle||
Beer Glass||
Belgian Malinois|Malinois|
Bench|Park Bench|
Bernese Mountain Dog||
Bighorn Sheep|Bighorn;Rocky Mountain Bighorn;Rocky Mountain Sheep|
Bikini|Two-Piece|
Binoculars|Field Glasses;Opera Glasses|
Black Bear|American Black Bear|
Black Grouse||
Black Stork||
Black Widow Spider|Black Widow|
Black and Tan Coonhound||
Bluetick Coonhound|Bluetick|
Bobsled|Bobsleigh|
Bolo Tie||
Bonnet|Poke Bonnet|
Book Cover|Book Jacket;Dust Jacket|
Bookstore|Bookshop;Bookstall|
Border Terrier||
Borzoi|Russian Wolfhound|
Boston Terrier|Boston Bull|
Bottle Cap||
Bouvier des Flandres||
Bow Tie||
Boxer Dog|Boxer|
Brain Coral||
Brittany Spaniel||
Brussels Griffon||
Bucket|Pail|
Bulletproof Vest||
Butcher Shop|Butcher|
Butternut Squash||
CD Player||
Cabbage|Head Cabbage|
Cabbage White Butterfly|Cabbage Butterfly|
Cairn Terrier|Cairn|
Camel|Arabian Camel;Dromedary|
Can Opener|Tin Opener|
Candy Store|Sweet Shop;Confectionery|
Capuchin Monkey|Capuchin;Ringtail|
Car Grille|Grille;Radiator Grille|
Car Part||
Cardigan Welsh Corgi||
Cassette Player|Tape Player|
Cassette Tape|Cassette|
Cello|Violoncello|
Chain Mail||
Chain-Link Fence||
Chameleon|African Chameleon|
Chesapeake Bay Retriever||
Chimpanzee|Chimp|
China Cabinet||
Chocolate Sauce|Chocolate Syrup|
Chow Chow|Chow|
Citrus Fruit|Citrus|
Cleaning Supplies||
Cleaver|Meat Cleaver|
Cliff Dwelling||
Clownfish|Anemone Fish|
Clumber Spaniel|Clumber|
Cockatoo|Sulphur-Crested Cockatoo|
Cocker Spaniel|English Cocker Spaniel;Cocker|
Cocktail Shaker||
Coffee Pot||
Colobus Monkey|Colobus|
Combination Lock||
Compass|Magnetic Compass|
Computer Hardware||
Computer Mouse|Mouse|
Container Ship|Container Vessel|
Coot|American Coot|
Coral Fungus||
Coral Reef||
Corgi|Welsh Corgi|
Cottontail Rabbit|Wood Rabbit;Cottontail|
Cowboy Boot||
Coyote|Prairie Wolf|
Crane Bird||
Cricket Insect|Cricket|
Croquet Ball||
Crossword Puzzle|Crossword|
Curly-Coated Retriever||
Curtain|Drape;Drapery|
Custard Apple||
Daddy Longlegs|Harvestman|
Dandie Dinmont Terrier|Dandie Dinmont|
Diamondback Rattlesnake|Diamondback|
Diaper|Nappy|
Digital Clock||
Dipper Bird|Water Ouzel;Dipper|
Disc Brake|Disk Brake|
Dish Rack|Plate Rack|
Dishcloth|Dishrag|
Doberman|Doberman Pinscher|
Drum Stick||
Dung Beetle||
Dungeness Crab||
Dunlin|Red-Backed Sandpiper|
Dutch Oven||
Echidna|Spiny Anteater;Anteater|
Egret|American Egret;Great White Heron|
Egyptian Cat||
Electric Switch|Switch;Electrical Switch|
Emergency Vehicle||
English Foxhound||
English Setter||
English Springer Spaniel|English Springer|
Entertainment Center||
Entlebucher Mountain Dog||
Espresso Machine|Espresso Maker|
Fabric|Cloth;Textile|
Face Powder||
False Morel||
Feather Boa||
Ferret|Black-Footed Ferret|
Ferris Wheel|Big Wheel|
Fiddler Crab||
Filing Cabinet|File;File Cabinet|
Fire Salamander|European Fire Salamander|
Flagpole|Flagstaff|
Flat-Coated Retriever||
Flute|Transverse Flute|
Football Helmet||
Fountain Pen||
Four-Poster Bed|Four-Poster|
Frilled Lizard||
Fur Coat||
Gar|Garfish;Garpike|
Garden Spider||
Gas Mask|Respirator|
Gas Pump|Gasoline Pump;Petrol Pump|
Gecko|Banded Gecko|
German Shorthaired Pointer||
Giant Schnauzer||
Gila Monster||
Go-Kart||
Golf Ball||
Golf Cart||
Gong|Tam-Tam|
Gordon Setter||
Gossamer-Winged Butterfly|Lycaenid Butterfly|
Graduation Cap|Mortarboard|
Gray Fox|Grey Fox|
Gray Whale|Grey Whale|
Gray Wolf|Timber Wolf;Grey Wolf|
Great Dane||
Great Pyrenees||
Greater Swiss Mountain Dog||
Green Lizard||
Green Mamba||
Ground Beetle||
Guenon|Guenon Monkey|
Guitar Pick|Plectrum|
Hair Clip|Hair Slide|
Half-Track||
Hammerhead Shark|Hammerhead|
Handrail|Banister;Balustrade|
Headland|Promontory|
Hen-of-the-Woods||
Hermit Crab||
Hippopotamus|Hippo|
Home Theater|Home Theatre|
Hoop Skirt|Crinoline|
Horizontal Bar|High Bar|
Horse Chestnut|Buckeye;Conker|
Hot Pot||
House Finch||
Howler Monkey|Howler|
Ibizan Hound|Ibizan Podenco|
Ice Cream||
Iguana|Common Iguana|
Indigo Bunting|Indigo Finch;Indigo Bird|
Instant Camera|Polaroid Camera;Polaroid Land Camera|
Irish Setter|Red Setter|
Irish Terrier||
Irish Water Spaniel||
Irish Wolfhound||
Italian Greyhound||
Japanese Chin|Japanese Spaniel|
Jug|Pitcher;Ewer|
Kerry Blue Terrier||
King Charles Spaniel|Blenheim Spaniel|
King Crab|Alaskan King Crab|
King Snake||
Kit Fox||
Kitchen Appliance||
Knee Pad||
Koala|Koala Bear|
Komodo Dragon|Komodo Lizard|
Lab Coat|Laboratory Coat|
Laboratory Equipment||
Lacewing|Lacewing Fly|
Ladybug|Lady Beetle;Ladybird;Ladybird Beetle|
Lakeland Terrier||
Leaf Beetle||
Leatherback Turtle|Leatherback;Leathery Turtle|
Lens Cap|Lens Cover|
Leonberger|Leonberg|
Letter Opener|Paperknife|
Lhasa Apso|Lhasa|
Lighthouse|Beacon|
Little Blue Heron||
Loggerhead Turtle|Loggerhead|
Longhorn Beetle|Long-Horned Beetle|
Magnifying Glass|Loupe;Jeweler's Loupe|
Mailbag|Postbag|
Maltese Dog|Maltese Terrier;Maltese|
Manhole Cover||
Maze|Labyrinth|
Measuring Cup||
Measuring Instrument||
Meat Loaf||
Medical Equipment||
Medicine Cabinet|Medicine Chest|
Megalith|Megalithic Structure|
Merganser|Red-Breasted Merganser|
Mexican Hairless Dog|Mexican Hairless|
Military Uniform||
Military Vehicle||
Milk Can||
Miniature Pinscher||
Miniature Poodle||
Miniature Schnauzer||
Mixing Bowl||
Monarch Butterfly|Monarch;Milkweed Butterfly|
Mortar and Pestle|Mortar|
Mosquito Net||
Motor Vehicle||
Mountain Dog||
Moving Van||
Mud Turtle||
Mushroom|Toadstool|
Nautilus|Chambered Nautilus;Pearly Nautilus|
Neck Brace||
Newfoundland Dog|Newfoundland|
Newt|Common Newt;Eft|
Night Snake||
Norfolk Terrier||
Norwegian Elkhound||
Norwich Terrier||
Odometer|Mileometer|
Oil Filter||
Oil Rig|Drilling Platform;Offshore Rig|
Old English Sheepdog|Bobtail|
Orchid|Yellow Lady's Slipper|
Oxygen Mask||
Paddle|Oar;Boat Paddle|
Paddle Wheel||
Pan Flute|Panpipe|
Parachute|Chute|
Parallel Bars||
Parking Meter||
Patas Monkey|Patas|
Pedestal|Plinth|
Pembroke Welsh Corgi|Pembroke|
Pencil Case|Pencil Box|
Pencil Sharpener||
Percussion Instrument||
Persian Cat||
Petri Dish||
Picket Fence||
Pickup Truck|Pickup|
Piggy Bank|Penny Bank|
Pill Bottle||
Pillow|Cushion|
Ping Pong Ball|Table Tennis Ball|
Pirate Ship||
Plastic Bag||
Platypus|Duck-Billed Platypus|
Plow|Plough|
Polar Bear||
Porcupine|Hedgehog|
Pot Pie||
Potter's Wheel||
Prairie Chicken|Prairie Grouse|
Prayer Rug|Prayer Mat|
Praying Mantis|Mantis;Mantid|
Proboscis Monkey||
Pufferfish|Puffer;Blowfish;Globefish|
Punching Bag|Punch Bag;Punching Ball;Punchball|
Python|Rock Python;Rock Snake|
Quill Pen|Quill|
Radio Telescope||
Rain Barrel||
Rattlesnake|Rattler|
Red Fox||
Red Wolf||
Redbone Coonhound|Redbone|
Rhodesian Ridgeback||
Ring Binder|Binder|
Ring-Tailed Lemur||
Ringlet Butterfly|Ringlet|
Ringneck Snake|Ring-Necked Snake;Ring Snake|
Rock Crab||
Rocking Chair|Rocker|
Rose Hip||
Rotary Phone|Dial Telephone;Dial Phone|
Roundworm|Nematode;Nematode Worm|
Ruffed Grouse||
Rugby Ball||
Safety Pin||
Saint Bernard|St Bernard|
Salmon|Coho;Coho Salmon;Silver Salmon|
Salt Shaker||
Sandbar|Sandbank|
Saxophone|Sax|
School Bus||
Scottish Deerhound|Deerhound|
Scottish Terrier|Scotch Terrier;Scottie|
Sea|Ocean|
Sea Anemone|Anemone|
Sea Cucumber||
Sea Life||
Sea Slug|Nudibranch|
Sea Snake||
Sea Turtle|Marine Turtle|
Sea Urchin||
Sealyham Terrier|Sealyham|
Sewing Machine||
Shawl|Stole|
Sheepdog|Shepherd Dog|
Shetland Sheepdog|Sheltie|
Shih Tzu||
Shipwreck|Wreck|
Shoe Store|Shoe Shop|
Shoji Screen|Shoji|
Shopping Basket||
Shorebird|Wader|
Shower Cap||
Shower Curtain||
Siamese Cat|Siamese|
Sidewinder|Horned Rattlesnake|
Silky Terrier|Sydney Silky|
Ski Mask||
Sled|Sledge;Sleigh|
Sleeping Bag||
Slide Rule||
Sliding Door||
Sloth|Three-Toed Sloth|
Sloth Bear||
Slow Cooker|Crock Pot|
Snow Leopard||
Snowplow|Snowplough|
Soap Dispenser||
Soda Bottle|Pop Bottle|
Soft-Coated Wheaten Terrier||
Solar Collector|Solar Dish;Solar Furnace|
Soup Bowl||
Space Heater||
Spacecraft|Spaceship;Space Vehicle|
Spaghetti Squash||
Spider Monkey||
Spiral|Coil;Helix|
Split-Rail Fence||
Spotted Salamander||
Squirrel Monkey||
Staffordshire Bull Terrier||
Standard Poodle||
Standard Schnauzer||
Starfish|Sea Star|
Steel Drum||
Stick Insect||
Stone Wall||
Strainer|Colander|
String Instrument|Stringed Instrument|
Submarine|Sub;U-Boat|
Sulphur Butterfly|Sulfur Butterfly|
Suspension Bridge||
Sussex Spaniel||
Swamphen|European Gallinule|
Swan|Black Swan|
Swim Cap|Bathing Cap;Swimming Cap|
Swim Trunks|Swimming Trunks;Bathing Trunks|
Tabby Cat|Tabby|
Tailed Frog|Tailed Toad|
Tandem Bicycle|Bicycle-Built-for-Two;Tandem|
Taxi|Cab;Taxicab|
Tennis Ball||
Thatched Roof|Thatch|
Theater Curtain|Theatre Curtain|
Threshing Machine|Thresher|
Tibetan Mastiff||
Tibetan Terrier||
Tiger Beetle||
Tiger Cat||
Tiger Shark||
Tile Roof||
Titi Monkey|Titi|
Tobacco Shop|Tobacconist|
Tool Kit|Carpenter's Kit|
Totem Pole||
Towel|Bath Towel|
Toy Poodle||
Toy Store|Toyshop|
Toy Terrier||
Traffic Light|Traffic Signal;Stoplight|
Tree Frog||
Treeing Walker Coonhound|Walker Hound;Walker Foxhound|
Triumphal Arch||
Turnstone|Ruddy Turnstone|
Typewriter|Typewriter Keyboard|
Vaulted Ceiling|Vault|
Vending Machine||
Vine Snake||
Violin|Fiddle|
Vizsla|Hungarian Pointer|
Waffle Iron||
Wall Clock||
Water Bottle||
Water Jug||
Water Snake||
Water Tower||
Watercraft|Vessel|
Waterfowl|Waterbird|
Welsh Springer Spaniel||
Whiptail Lizard|Whiptail|
Whiskey Jug||
White Stork||
Wind Instrument||
Window Screen||
Wine Bottle||
Wire Fox Terrier|Wire-Haired Fox Terrier|
Wolf Spider|Hunting Spider|
Wooden Spoon||
Wool|Woolen;Woollen|
Worm Snake|Thunder Snake|
Xylophone|Marimba|
Yellow Garden Spider|Black and Gold Garden Spider|
Zucchini|Courgette|
"""
